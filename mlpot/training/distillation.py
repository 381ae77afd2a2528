"""Pseudo-labels for distillation: structures around those of the training set, labelled by trained models.

Errors that models trained on the same data do not share mostly cancel in their mean, and a model that is trained on
the mean keeps much of that (`research/accuracy.md`). Data flow: training part -> a short MD trajectory from each
structure -> mean of all teachers at its frames -> a file in the folder of the run -> `setup`.
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

from mlpot.calculator import MLPotCalculator, load
from mlpot.config import DistillConfig, TrainConfig, member_seed
from mlpot.data import LabelledStructure, dataset_hash, elements_of, read_structures
from mlpot.errors import ConfigError, MLPotError, TrainingError
from mlpot.model_file.manifest import Manifest
from mlpot.running.atomic_write import replace_atomically
from mlpot.running.stopping import StopRequest
from mlpot.simulation.integrators import make_integrator, start_velocities
from mlpot.simulation.settings import MDSettings
from mlpot.training.observer import TrainingObserver

FloatArray = NDArray[np.float64]
Structures = Sequence[LabelledStructure]

_HYDROGEN_TIMESTEP, _TIMESTEP = 1.0, 2.0
"""fs"""


def pseudo_labels(config: TrainConfig, train: Structures) -> Structures | None:
    """Read the pseudo-labels of a run, which `make_pseudo_labels` has written; None for a run without teachers.

    Parameters
    ----------
    config : TrainConfig
    train : sequence of LabelledStructure
        Training part of the data.
    """
    settings = config.training.distill
    return None if settings is None else read_structures(_file_of(config, settings, train))


def make_pseudo_labels(
    config: TrainConfig, train: Structures, stop: StopRequest, observer: TrainingObserver | None = None
) -> None:
    """Label structures around those of the training part with the mean of the teachers, unless the file exists.

    Parameters
    ----------
    config : TrainConfig
        Without ``training.distill`` nothing is done.
    train : sequence of LabelledStructure
    stop : StopRequest
    observer : TrainingObserver, optional

    Raises
    ------
    ConfigError
        A teacher without an element of the data.
    TrainingError
        Stopped before the end, or every MD trajectory failed at once.
    """
    settings, observer = config.training.distill, observer or TrainingObserver()
    if settings is None or (target := _file_of(config, settings, train)).exists():
        return
    teachers = [load(path, threads=config.run.threads) for path in settings.teachers]
    for path, teacher in zip(settings.teachers, teachers, strict=True):
        _check_teacher(path, teacher.manifest, train, observer)
    initial = [structure for structure in train if not structure.is_isolated_atom]
    rng = np.random.default_rng(member_seed(config.training))
    frames: list[Atoms] = []
    observer.message(f"teachers label {settings.frames} structures around each of {len(initial)} ...")
    for number, structure in enumerate(initial):
        if (reason := stop.reason()) is not None:
            raise TrainingError(
                f"stopped ({reason}) when teachers had labelled structures around {number} of {len(initial)}: these "
                "are not kept; the same command starts again"
            )
        frames += _sample(structure, teachers, settings, rng)
        observer.labelled(number + 1, len(initial))
    if not frames:
        raise TrainingError("every MD trajectory with the teachers failed at its start: test them with `mlpot check`")
    with replace_atomically(target) as partial:
        ase.io.write(partial, frames, format="extxyz")
    observer.message(f"{len(frames)} of {settings.frames * len(initial)} structures labelled: {target}")


def _check_teacher(path: Path, manifest: Manifest, train: Structures, observer: TrainingObserver) -> None:
    if missing := set(elements_of(train)) - set(manifest.atomic_numbers):
        raise ConfigError(
            f"`training.distill.teachers`: {path} has no atomic numbers {sorted(missing)}, which the data hold"
        )
    if manifest.training.get("data_hash", {}).get("train") != dataset_hash(train):
        observer.message(
            f"{path} was trained on other structures: if some of those held out here are among them, validation errors "
            "are too small"
        )


def _file_of(config: TrainConfig, settings: DistillConfig, train: Structures) -> Path:
    """File of the pseudo-labels, with a hash of everything that they depend on in its name."""
    digest = hashlib.sha256(settings.model_dump_json(exclude={"teachers"}).encode())
    digest.update(f"{dataset_hash(train)} {member_seed(config.training)}".encode())
    for path in settings.teachers:
        if not path.is_file():
            raise ConfigError(f"`training.distill.teachers`: no such file: {path}")
        digest.update(path.read_bytes())
    return config.run.output.resolve() / f"pseudo-labels-{digest.hexdigest()[:12]}.extxyz"


def _sample(
    initial: LabelledStructure, teachers: Sequence[MLPotCalculator], settings: DistillConfig, rng: np.random.Generator
) -> Iterator[Atoms]:
    """Frames of an MD trajectory with one of the teachers, labelled by all; a trajectory that fails ends early."""
    atoms = initial.atoms.copy()
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
            yield _labelled(frame, teachers, initial)
    except MLPotError:
        return


def _strain(frame: Atoms, largest: float, rng: np.random.Generator) -> None:
    """Strain by up to `largest` along three axes of any direction."""
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    deformation = np.eye(3) + axes @ np.diag(rng.uniform(-largest, largest, 3)) @ axes.T
    frame.set_cell(frame.cell @ deformation, scale_atoms=True)


def _labelled(frame: Atoms, teachers: Sequence[MLPotCalculator], initial: LabelledStructure) -> Atoms:
    """Attach the mean of the teachers for the labels that the initial structure has."""
    labels = {"energy": initial.energy, "forces": initial.forces, "stress": initial.stress}
    names = [name for name, label in labels.items() if label is not None]
    means = {name: np.mean([_result(teacher, name, frame) for teacher in teachers], axis=0) for name in names}
    frame.calc = SinglePointCalculator(frame, **means)
    frame.info["config_type"] = initial.config_type
    return frame


def _result(teacher: MLPotCalculator, name: str, frame: Atoms) -> FloatArray:
    """Energy, forces or stress; the stress per volume of the cell, as in labels, also of slabs and wires."""
    if name == "stress" and not frame.pbc.all():
        stress: FloatArray = full_3x3_to_voigt_6_stress(-teacher.get_virial(frame) / frame.cell.volume)
        return stress
    return np.asarray(teacher.get_property(name, frame))
