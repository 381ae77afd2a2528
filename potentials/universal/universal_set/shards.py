"""Shards: compressed files of labelled structures, and the manifest that says how each was made.

A shard is an .npz file inside .xz. Numbers are whole multiples of the steps below; each array of them is stored as its
bytes of highest value first, down to those of lowest (which hardly compress), so that a shard takes about 20 bytes an
atom. ``read_shard`` gives back what ``write_shard`` was given, to half a step.
"""

import hashlib
import io
import json
import lzma
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress

from universal_set.recipes import Label

LENGTH_STEP = 1e-6  # A
ENERGY_STEP = 1e-5  # eV
FORCE_STEP = 1e-4  # eV/A
STRESS_STEP = 1e-6  # eV/A^3
FORMAT = 1
_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 0, "lp": 0, "pb": 0}]  # bytes, not words


class Labelled(NamedTuple):
    """A structure with its label; `job` and `frame` say where in its shard it comes from.

    Frames of one job are correlated and belong into the same part of any split.
    """

    atoms: Atoms
    label: Label
    kind: str
    source: str
    job: int
    frame: int

    def to_ase(self) -> Atoms:
        """Structure with the label as results of ASE and the rest in ``info``."""
        atoms = self.atoms.copy()
        results: dict[str, Any] = {"energy": self.label.energy, "forces": self.label.forces}
        if atoms.pbc.all():
            results["stress"] = full_3x3_to_voigt_6_stress(self.label.stress)
        atoms.calc = SinglePointCalculator(atoms, **results)
        atoms.info.update(kind=self.kind, source=self.source, job=self.job, frame=self.frame)
        return atoms


def rounded(atoms: Atoms) -> Atoms:
    """Structure as a shard holds it: rounded, without anything besides."""
    positions, cell = (np.round(a / LENGTH_STEP) * LENGTH_STEP for a in (atoms.positions, atoms.cell.array))
    periodic = bool(atoms.pbc.all())
    return Atoms(numbers=atoms.numbers, positions=positions, cell=cell if periodic else None, pbc=periodic)


def write_shard(path: Path, frames: list[Labelled]) -> None:
    """Write labelled structures, atomically."""
    buffer = io.BytesIO()
    np.savez(buffer, **_columns(frames))
    temporary = path.with_suffix(".part")
    temporary.write_bytes(lzma.compress(buffer.getvalue(), format=lzma.FORMAT_XZ, filters=_FILTERS))
    os.replace(temporary, path)


def read_shard(path: Path) -> list[Labelled]:
    """Labelled structures of a shard."""
    with np.load(io.BytesIO(lzma.decompress(path.read_bytes())), allow_pickle=False) as file:
        columns = {name: file[name] for name in file.files}
    text = json.loads(columns["text"].tobytes())
    if text["format"] != FORMAT:
        raise ValueError(f"expected shards of format {FORMAT}, got {text['format']} in {path}")
    sizes, periodic = columns["sizes"].astype(int), columns["periodic"].astype(bool)
    ends = np.cumsum(sizes)[:-1]
    energies = _joined(columns["energies"])[0] * ENERGY_STEP
    positions = np.split(_joined(columns["positions"]).T * LENGTH_STEP, ends)
    forces = np.split(_joined(columns["forces"]).T * FORCE_STEP, ends)
    numbers = np.split(columns["numbers"], ends)
    cells, stresses = np.zeros((len(sizes), 9)), np.zeros((len(sizes), 6))
    cells[periodic] = _joined(columns["cells"]).T * LENGTH_STEP
    stresses[periodic] = _joined(columns["stresses"]).T * STRESS_STEP
    jobs = _joined(columns["jobs"])[0].astype(int)
    frames = []
    for n in range(len(sizes)):
        cell = cells[n].reshape(3, 3) if periodic[n] else None
        atoms = Atoms(numbers=numbers[n], positions=positions[n], cell=cell, pbc=bool(periodic[n]))
        label = Label(float(energies[n]), forces[n], voigt_6_to_full_3x3_stress(stresses[n]))
        kind, source = text["kinds"][columns["kinds"][n]], text["sources"][str(jobs[n])]
        frames.append(Labelled(atoms, label, kind, source, int(jobs[n]), int(columns["frames"][n])))
    return frames


def _columns(frames: list[Labelled]) -> dict[str, np.ndarray]:
    """Arrays of a shard."""
    periodic = [frame for frame in frames if frame.atoms.pbc.all()]
    kinds = sorted({frame.kind for frame in frames})
    text = {"format": FORMAT, "kinds": kinds, "sources": {str(frame.job): frame.source for frame in frames}}
    stresses = [full_3x3_to_voigt_6_stress(frame.label.stress) for frame in periodic]
    return {
        "text": np.frombuffer(json.dumps(text, separators=(",", ":")).encode(), dtype=np.uint8),
        "sizes": np.array([len(frame.atoms) for frame in frames], dtype=np.uint16),
        "periodic": np.array([frame.atoms.pbc.all() for frame in frames], dtype=np.uint8),
        "kinds": np.array([kinds.index(frame.kind) for frame in frames], dtype=np.uint8),
        "frames": np.array([frame.frame for frame in frames], dtype=np.uint8),
        "jobs": _split(np.array([[frame.job for frame in frames]], dtype=float)),
        "numbers": np.concatenate([frame.atoms.numbers for frame in frames]).astype(np.uint8),
        "energies": _split(np.array([[frame.label.energy for frame in frames]]) / ENERGY_STEP),
        "positions": _split(np.concatenate([frame.atoms.positions for frame in frames]).T / LENGTH_STEP),
        "forces": _split(np.concatenate([frame.label.forces for frame in frames]).T / FORCE_STEP),
        "cells": _split(np.reshape([frame.atoms.cell.array for frame in periodic], (-1, 9)).T / LENGTH_STEP),
        "stresses": _split(np.reshape(stresses, (-1, 6)).T / STRESS_STEP),
    }


def _split(values: np.ndarray) -> np.ndarray:
    """Round values (rows, n) and view them as bytes (4, rows, n), the highest first; the lowest bit is the sign."""
    whole = np.round(values).astype(np.int64)
    folded = (np.abs(whole) * 2 - (whole < 0)).astype(">u4")
    if (np.abs(whole) >= 2**31).any():
        raise ValueError(f"expected values that fit into 31 bits, got up to {np.abs(whole).max()} steps")
    return np.moveaxis(np.ascontiguousarray(folded)[..., None].view(np.uint8), -1, 0).copy()


def _joined(planes: np.ndarray) -> np.ndarray:
    """Inverse of `_split`, as float64 (rows, n)."""
    folded = np.ascontiguousarray(np.moveaxis(planes, 0, -1)).view(">u4")[..., 0].astype(np.int64)
    return np.where(folded % 2 == 1, -(folded // 2) - 1, folded // 2).astype(float)


def sha256(path: Path) -> str:
    """Digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Manifest of a folder of shards; empty before the first one."""
    path = folder / "manifest.json"
    return json.loads(path.read_text()) if path.exists() else {"shards": {}}


def read_labels(folder: Path) -> Iterator[list[Labelled]]:
    """Labelled structures of the shards in the manifest of `folder`, shard by shard.

    Raises
    ------
    ValueError
        If a shard is not the one that was entered.
    """
    for name, entry in read_manifest(folder)["shards"].items():
        if sha256(folder / name) != entry["sha256"]:
            raise ValueError(f"expected {folder / name} to have the SHA-256 {entry['sha256']} of the manifest")
        yield read_shard(folder / name)


def enter(folder: Path, path: Path, frames: list[Labelled], made_with: dict[str, Any]) -> None:
    """Enter a finished shard into the manifest of `folder`, atomically."""
    manifest = read_manifest(folder)
    counts = {"structures": len(frames), "atoms": sum(len(frame.atoms) for frame in frames)}
    manifest["shards"][path.name] = {"sha256": sha256(path), "bytes": path.stat().st_size, **counts, **made_with}
    manifest["shards"] = dict(sorted(manifest["shards"].items()))
    temporary = folder / "manifest.part"
    temporary.write_text(json.dumps(manifest, indent=1) + "\n")
    os.replace(temporary, folder / "manifest.json")
