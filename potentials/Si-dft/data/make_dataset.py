"""Label the silicon structures with GPAW and collect them into the data set.

    python make_dataset.py FOLDER               # label what has no label yet; stop and start at will
    python make_dataset.py FOLDER --collect     # write train/validation/test.extxyz.xz next to this script

FOLDER keeps the structures (``structures.json``, made on the first call) and one JSON file for each label, named
after the hash of structure and settings and written atomically, so that a killed run loses one calculation at most.
Second step of the data set, after ``structures.py``; ``DATA.md`` describes the result. Needs ``pip install gpaw
gpaw-data matscipy rich``.
"""

import argparse
import hashlib
import json
import lzma
import os
import sys
import time
from collections import Counter
from io import StringIO
from math import ceil
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

CUTOFF = 300.0  # eV, plane waves
K_SPACING = 0.34  # 1/A, upper limit of the distance of k-points
DENSE_K_SPACING = 0.227  # 1/A, of the ideal metallic polymorphs, whose symmetry makes the many points cheap
SMEARING = 0.1  # eV, Fermi-Dirac
CONVERGENCE = {"energy": 1e-6, "density": 1e-4, "eigenstates": 2e-8}  # GPAW's units, per valence electron
ISOLATED_BOX = (11.0, 11.5, 12.0)  # A, of the isolated atom
SPLITS = ("train", "validation", "test")
HERE = Path(__file__).parent


def k_points(atoms: Atoms, vacuum_axes: tuple[int, ...], spacing: float = K_SPACING) -> tuple[int, int, int]:
    """Even Monkhorst-Pack divisions (hence without Gamma) at most `spacing` 1/A apart, one along vacuum."""
    lengths = 2 * np.pi * np.linalg.norm(atoms.cell.reciprocal(), axis=1)
    sizes = [1 if axis in vacuum_axes else 2 * ceil(length / (2 * spacing)) for axis, length in enumerate(lengths)]
    return sizes[0], sizes[1], sizes[2]


def settings(atoms: Atoms, vacuum_axes: tuple[int, ...], cutoff: float, spacing: float) -> dict[str, Any]:
    """Parameters of the calculation as plain data; they decide the labels together with the structure.

    Molecules, with vacuum along all axes, are spin-polarized, so that they dissociate into the isolated atom.
    """
    moments = {"spinpol": True, "magmoms": [2.0 if len(atoms) == 1 else 1.0] * len(atoms)}
    return {
        "xc": "PBE",
        "mode": {"name": "pw", "ecut": cutoff},
        "kpts": {"size": k_points(atoms, vacuum_axes, spacing)},
        "occupations": {"name": "fermi-dirac", "width": SMEARING},
        "eigensolver": "rmm-diis",
        "convergence": CONVERGENCE,
        **(moments if len(vacuum_axes) == 3 else {}),
    }


def usual_spacing(atoms: Atoms) -> float:
    """Distance of the k-points that the data set uses for `atoms`, 1/A."""
    name = atoms.info["group"]
    ideal_metal = name.startswith("polymorph") and "distorted" not in name and "lonsdaleite" not in name
    return DENSE_K_SPACING if ideal_metal else K_SPACING


def structure_key(atoms: Atoms, parameters: dict[str, Any]) -> str:
    """Hash of positions and cell to 1e-8 A and of the parameters."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for array in (atoms.positions, atoms.cell.array, atoms.numbers):
        digest.update(np.ascontiguousarray(np.round(array, 8) + 0.0).tobytes())
    return digest.hexdigest()[:16]


def calculate(atoms: Atoms, parameters: dict[str, Any], log: Path | str) -> dict[str, Any]:
    """Free energy (eV), forces (eV/A), stress (xx yy zz yz xz xy, eV/A^3, ASE's sign) and the seconds it took."""
    from gpaw import GPAW  # noqa: PLC0415 - --collect does without GPAW

    start = time.perf_counter()
    calculated = atoms.copy()
    calculated.calc = GPAW(**parameters, txt=str(log))
    energy = calculated.get_potential_energy(force_consistent=True)
    forces, stress = calculated.get_forces(), calculated.get_stress()
    return {
        "energy": float(energy),
        "forces": forces.tolist(),
        "stress": stress.tolist(),
        "seconds": time.perf_counter() - start,
    }


def label(atoms: Atoms, folder: Path, cutoff: float = CUTOFF, spacing: float | None = None) -> dict[str, Any]:
    """Labels of `atoms` from `folder`, calculated if they are not there."""
    parameters = settings(atoms, tuple(atoms.info["vacuum_axes"]), cutoff, spacing or usual_spacing(atoms))
    path = folder / f"{structure_key(atoms, parameters)}.json"
    if path.exists():
        return json.loads(path.read_text())
    result = calculate(atoms, parameters, path.with_suffix(".txt"))
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps({**result, "parameters": parameters}))
    os.replace(temporary, path)
    path.with_suffix(".txt").unlink()
    return result


def is_labelled(atoms: Atoms, folder: Path) -> bool:
    """Whether `folder` holds the labels of `atoms`."""
    parameters = settings(atoms, tuple(atoms.info["vacuum_axes"]), CUTOFF, usual_spacing(atoms))
    return (folder / f"{structure_key(atoms, parameters)}.json").exists()


def load_structures(folder: Path) -> list[Atoms]:
    """Read the structures of `folder`; make and write them on the first call."""
    path = folder / "structures.json"
    if not path.exists():
        from structures import all_structures  # noqa: PLC0415 - matscipy is needed on the first call only

        write_structures(path, all_structures())
    return [structure_from_plain(plain) for plain in json.loads(path.read_text())]


def write_structures(path: Path, structures: list[Atoms]) -> None:
    """Write positions, cells and infos exactly, and atomically."""
    plain = [
        {
            "symbols": str(atoms.symbols),
            "positions": atoms.positions.tolist(),
            "cell": atoms.cell.array.tolist(),
            "info": atoms.info,
        }
        for atoms in structures
    ]
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(plain))
    os.replace(temporary, path)


def structure_from_plain(plain: dict[str, Any]) -> Atoms:
    """Inverse of one entry of ``write_structures``."""
    return Atoms(plain["symbols"], positions=plain["positions"], cell=plain["cell"], pbc=True, info=plain["info"])


def label_all(folder: Path, until: float) -> None:
    """Label everything that has no label, in order, until the time `until` (seconds since the epoch)."""
    structures = load_structures(folder)
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("labels", total=len(structures))
        failed = []
        for atoms in structures:
            if time.time() > until:
                break
            progress.update(task, description=f"{atoms.info['group']} ({len(atoms)} atoms)")
            try:
                label(atoms, folder)
            except Exception as error:  # GPAW has no common base for "did not converge"; all are reported below
                failed.append(f"{atoms.info['group']}: {type(error).__name__}: {error}")
            progress.advance(task)
    for line in failed:
        print("FAILED", line, file=sys.stderr)


def labelled_frame(atoms: Atoms, labels: dict[str, Any]) -> Atoms:
    """`atoms` with its labels as the results of a calculator, rounded to well below their errors."""
    frame = Atoms(atoms.symbols, positions=np.round(atoms.positions, 6), cell=np.round(atoms.cell.array, 6), pbc=True)
    frame.info = {name: atoms.info[name] for name in ("config_type", "group")}
    forces, stress = np.round(labels["forces"], 5), np.round(labels["stress"], 7)
    energy = round(labels["energy"], 6)
    frame.calc = SinglePointCalculator(frame, energy=energy, free_energy=energy, forces=forces, stress=stress)
    return frame


def write_frames(path: Path, frames: list[Atoms]) -> None:
    """Write xz-compressed extxyz, the same bytes for the same frames."""
    text = StringIO()
    ase.io.write(text, frames, format="extxyz")
    path.write_bytes(lzma.compress(text.getvalue().encode(), preset=9 | lzma.PRESET_EXTREME))


def collect(folder: Path, console: Console) -> None:
    """Write the labelled structures of `folder` next to this script, and print a summary."""
    frames: dict[str, list[Atoms]] = {split: [] for split in SPLITS}
    for atoms in load_structures(folder):
        if is_labelled(atoms, folder):
            frames[atoms.info["split"]].append(labelled_frame(atoms, label(atoms, folder)))
    for split, selected in frames.items():
        ordered = sorted(selected, key=lambda frame: (frame.info["config_type"], len(frame)))
        write_frames(HERE / f"{split}.extxyz.xz", ordered)
        counts = Counter(frame.info["config_type"] for frame in ordered)
        console.print(split, len(ordered), dict(sorted(counts.items())))


def isolated_atom(folder: Path) -> Atoms:
    """Triplet atom in a box, at the settings of the molecules."""
    atoms = Atoms("Si", cell=ISOLATED_BOX, pbc=True)
    atoms.center()
    atoms.info = {"config_type": "isolated_atom", "group": "isolated_atom", "vacuum_axes": (0, 1, 2)}
    return labelled_frame(atoms, label(atoms, folder))


def main() -> None:
    """Read the command line and do one of the two steps."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where labels and structures are kept")
    parser.add_argument("--collect", action="store_true", help="write the data set instead of calculating")
    parser.add_argument("--hours", type=float, default=np.inf, help="start no calculation after this time")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.collect:
        collect(arguments.folder, Console())
        ase.io.write(HERE / "isolated_atom.extxyz", isolated_atom(arguments.folder), format="extxyz")
    else:
        label_all(arguments.folder, time.time() + 3600 * arguments.hours)


if __name__ == "__main__":
    main()
