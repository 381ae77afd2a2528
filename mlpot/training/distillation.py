"""Structures around those of the training set, labelled by trained models: what a run learns from beside the data.

What models that were trained on the same data do not share of their errors, their mean mostly loses; a model that
learns the mean keeps much of that (`docs/accuracy.md`). Data flow: training part -> a short walk from each structure ->
mean of all teachers at its frames -> a file in the folder of the run -> `preparation`.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress

from mlpot.calculator import MLPotCalculator, load
from mlpot.config import DistillConfig, TrainConfig, member_seed
from mlpot.data import LabelledStructure, dataset_hash, elements_of, read_structures
from mlpot.errors import ConfigError, MLPotError, TrainingError
from mlpot.model_file.manifest import Manifest
from mlpot.running.atomic_write import replace_atomically
from mlpot.running.stopping import StopRequest
from mlpot.simulation.integrators import make_integrator, start_velocities
from mlpot.simulation.settings import MDSettings

FloatArray = NDArray[np.float64]
Structures = Sequence[LabelledStructure]

_HYDROGEN_TIMESTEP, _TIMESTEP = 1.0, 2.0
"""fs"""


def taught_structures(config: TrainConfig, train: Structures) -> Structures | None:
    """Read what the teachers of a run have labelled; None where it has no teachers.

    Parameters
    ----------
    config : TrainConfig
    train : sequence of LabelledStructure
        Training part of the data.
    """
    settings = config.training.distill
    return None if settings is None else read_structures(_target(config, settings, train))


def teach(config: TrainConfig, train: Structures, stop: StopRequest, console: Console | None = None) -> None:
    """Let the teachers of a run label structures around those of its training part, unless they have done so.

    Parameters
    ----------
    config : TrainConfig
        Without ``training.distill`` nothing is done.
    train : sequence of LabelledStructure
    stop : StopRequest
    console : rich.console.Console, optional

    Raises
    ------
    ConfigError
        A teacher that does not know an element of the data.
    TrainingError
        Stopped before the end; or no walk came to anything.
    """
    settings = config.training.distill
    if settings is None or (target := _target(config, settings, train)).exists():
        return
    teachers = [load(path, threads=config.run.threads) for path in settings.teachers]
    for path, teacher in zip(settings.teachers, teachers, strict=True):
        _check_knowledge(path, teacher.manifest, train, console)
    starts = [structure for structure in train if not structure.is_isolated_atom]
    rng = np.random.default_rng(member_seed(config.training))
    frames: list[Atoms] = []
    if console is not None:
        console.print(f"teachers label {settings.frames} structures around each of {len(starts)} ...", highlight=False)
    with Progress(console=console, disable=console is None or not console.is_terminal) as progress:
        for number, start in enumerate(progress.track(starts, description="teachers label structures")):
            if (reason := stop.reason()) is not None:
                raise TrainingError(
                    f"stopped ({reason}) when teachers had labelled structures around {number} of {len(starts)}: "
                    "nothing is kept of that; the same command begins again"
                )
            frames += _walk(start, teachers, settings, rng)
    if not frames:
        raise TrainingError("no walk with the teachers got anywhere: look at them with `mlpot check`")
    with replace_atomically(target) as partial:
        ase.io.write(partial, frames, format="extxyz")
    if console is not None:
        expected = settings.frames * len(starts)
        console.print(f"{len(frames)} of {expected} structures labelled: {target}", highlight=False, soft_wrap=True)


def _check_knowledge(path: Path, manifest: Manifest, train: Structures, console: Console | None) -> None:
    if missing := set(elements_of(train)) - set(manifest.atomic_numbers):
        raise ConfigError(f"`training.distill.teachers`: {path} does not know the atomic numbers {sorted(missing)}")
    if console is not None and manifest.training.get("data_hash", {}).get("train") != dataset_hash(train):
        console.print(
            f"{path} was trained on other structures: if some of those held out here were among them, validation "
            "errors come out too small",
            highlight=False,
        )


def _target(config: TrainConfig, settings: DistillConfig, train: Structures) -> Path:
    """Name the file after all that it depends on, so that one of other settings is never taken for it."""
    digest = hashlib.sha256(settings.model_dump_json(exclude={"teachers"}).encode())
    digest.update(f"{dataset_hash(train)} {member_seed(config.training)}".encode())
    for path in settings.teachers:
        if not path.is_file():
            raise ConfigError(f"`training.distill.teachers`: no such file: {path}")
        digest.update(path.read_bytes())
    return config.run.output.resolve() / f"taught-{digest.hexdigest()[:12]}.extxyz"


def _walk(
    start: LabelledStructure, teachers: Sequence[MLPotCalculator], settings: DistillConfig, rng: np.random.Generator
) -> Iterator[Atoms]:
    """Follow one of the teachers from a structure, let all label what is met; a walk that fails ends early."""
    atoms = start.atoms.copy()
    atoms.calc = teachers[int(rng.integers(len(teachers)))]
    timestep = _HYDROGEN_TIMESTEP if 1 in atoms.numbers else _TIMESTEP
    md = MDSettings("nvt", steps=0, timestep=timestep, temperature=settings.temperature)
    try:
        start_velocities(atoms, md, rng)
        integrator = make_integrator(atoms, md, rng)
        for _ in range(settings.frames):
            integrator.run(max(1, round(settings.interval / timestep)))
            frame = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
            if settings.strain > 0.0 and frame.pbc.all():
                _strain(frame, settings.strain, rng)
            yield _labelled(frame, teachers, start)
    except MLPotError:
        return


def _strain(frame: Atoms, largest: float, rng: np.random.Generator) -> None:
    """Strain by up to `largest` along three axes of any direction."""
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    deformation = np.eye(3) + axes @ np.diag(rng.uniform(-largest, largest, 3)) @ axes.T
    frame.set_cell(frame.cell @ deformation, scale_atoms=True)


def _labelled(frame: Atoms, teachers: Sequence[MLPotCalculator], start: LabelledStructure) -> Atoms:
    """Attach the mean of the teachers, for the labels that the structure of the data has."""
    wanted = {"energy": start.energy, "forces": start.forces, "stress": start.stress}
    names = [name for name, label in wanted.items() if label is not None]
    answers = {name: np.mean([_answer(teacher, name, frame) for teacher in teachers], axis=0) for name in names}
    frame.calc = SinglePointCalculator(frame, **answers)
    frame.info["config_type"] = start.config_type
    return frame


def _answer(teacher: MLPotCalculator, name: str, frame: Atoms) -> FloatArray:
    """Get a label; stress by the volume of the cell, as labels have it, also of what is not periodic everywhere."""
    if name == "stress" and not frame.pbc.all():
        stress: FloatArray = full_3x3_to_voigt_6_stress(-teacher.get_virial(frame) / frame.cell.volume)
        return stress
    return np.asarray(teacher.get_property(name, frame))
