"""A whole training run: load the data, build the trainer, fit, finish.

Data flow: configuration and data -> `training_data` -> `setup` -> `Trainer.fit` -> a folder with `model.pt`,
checkpoint, metrics, plots and a summary.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from mlpot.config import RunConfig, TrainConfig
from mlpot.config.train_file import TRAIN_CONFIG_NAME, portable, write_train_config
from mlpot.errors import ConfigError, TrainingError
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.torchscript import bundle_model
from mlpot.running.atomic_write import write_atomically
from mlpot.running.cores import default_threads
from mlpot.running.outputs import check_output_folder
from mlpot.running.stopping import StopRequest, stop_on_signals
from mlpot.training.checkpoint import (
    CHECKPOINT_NAME,
    Checkpointer,
    not_a_checkpoint,
    read_checkpoint,
    refuse_changes,
)
from mlpot.training.committee.assemble import attach
from mlpot.training.distillation import make_pseudo_labels, pseudo_labels
from mlpot.training.energy_offset import remove_energy_offset
from mlpot.training.max_density import record_max_density
from mlpot.training.metrics import MetricsLog
from mlpot.training.observer import TrainingObserver
from mlpot.training.plots import plot_learning_curve, plot_parity
from mlpot.training.samples import SampleSet
from mlpot.training.scoring import predict_labels
from mlpot.training.setup import TrainingSetup, initial_potential, prepare
from mlpot.training.trainer import FailedBatchError, Trainer
from mlpot.training.training_data import TrainingData, read_training_data

MODEL_NAME = "model.pt"
SUMMARY_NAME = "summary.json"
FAILED_NAME = "failed_batch.extxyz"


@dataclass(frozen=True)
class TrainingResult:
    """Outcome of a run.

    Attributes
    ----------
    folder : Path
    model : Path
        The exported potential.
    stopped : str or None
        Why the run ended early; None if it is complete.
    epochs, steps : int
    wall_time : float, s
        All processes of a resumed run together.
    validation, test : dict or None
        ``energy_rmse`` in meV/atom, ``forces_rmse`` in meV/A, ``stress_rmse`` in meV/A^3, and ``_mae`` likewise.
    """

    folder: Path
    model: Path
    stopped: str | None
    epochs: int
    steps: int
    wall_time: float
    validation: dict[str, float] | None
    test: dict[str, float] | None


def train(
    config: TrainConfig,
    structures: Sequence[Atoms] | None = None,
    *,
    validation: Sequence[Atoms] | None = None,
    test: Sequence[Atoms] | None = None,
    resume: bool = False,
    max_time: float | None = None,
    observer: TrainingObserver | None = None,
) -> TrainingResult:
    """Train a potential.

    Parameters
    ----------
    config : TrainConfig
    structures, validation, test : sequence of ase.Atoms, optional
        Labelled structures in memory, instead of the files in ``data.train``, ``data.validation`` and ``data.test``.
    resume : bool
        Continue from the checkpoint in the output folder.
    max_time : float, s
        Stop after this time with a checkpoint, wherever the run is.
    observer : TrainingObserver, optional
        Receives the progress of the run; nothing is printed without it.

    Raises
    ------
    ConfigError, DataError
        Unusable settings or data.
    TrainingError
        An output folder in use, a resume with changed settings, a loss that is not finite.

    Examples
    --------
    >>> from ase.build import molecule
    >>> from ase.calculators.emt import EMT
    >>> import tempfile
    >>> frames = [molecule("CH3CH2OH") for _ in range(8)]
    >>> for number, atoms in enumerate(frames):
    ...     atoms.rattle(0.05, seed=number)
    ...     atoms.calc = EMT()
    ...     forces = atoms.get_forces()
    >>> config = TrainConfig(
    ...     data={"train": [], "validation": 0.25, "reference_energies": "least_squares_min_norm"},
    ...     model={"preset": "fast", "cutoff": 3.0},
    ...     training={"epochs": 1},
    ...     run={"output": Path(tempfile.mkdtemp()) / "run", "device": "cpu", "plots": False},
    ... )
    >>> train(config, frames).epochs
    1
    """
    committee = config.training.committee
    if committee is not None and committee.kind == "deep" and committee.member is None:
        raise ConfigError(
            "the members of a deep committee are trained in processes of their own: use `mlpot train` or "
            "`mlpot.training.committee.members.train_members`"
        )
    stop = StopRequest(max_time)
    fabric = _launch(config.run)
    observer = observer if observer is not None and fabric.is_global_zero else TrainingObserver()
    with stop_on_signals(stop), threads_of_run(config.run.threads):
        folder = _claim_folder(config, resume)
        data = read_training_data(config, structures, validation=validation, test=test, observer=observer)
        if fabric.is_global_zero:
            make_pseudo_labels(config, data.train, stop, observer)
        fabric.barrier()
        setup = prepare(config, data, pseudo_labels(config, data.train), observer)
        trainer = _make_trainer(fabric, config, setup, folder, resume)
        if fabric.is_global_zero:
            write_train_config(config, folder / TRAIN_CONFIG_NAME)
        observer.message(f"engine {trainer.engine}, {trainer.threads} threads, {fabric.device}")
        stopped = _fit(trainer, setup, stop, folder, observer)
        result, bundle = _finish(trainer, setup, folder, stopped)
    if bundle is not None:
        n_members = committee.members if committee is not None and committee.kind == "shallow" and not stopped else 0
        _save(bundle, result.model, data, n_members)
    fabric.barrier()
    return result


def _launch(run: RunConfig) -> Fabric:
    """Start the processes of the run; those after the first run the same program from its start."""
    accelerator = run.device
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise ConfigError("`run.device` is cuda but torch finds no CUDA device: use cpu, or install torch with CUDA")
    if accelerator == "cuda" and run.devices > torch.cuda.device_count():
        raise ConfigError(f"`run.devices` is {run.devices} but there are {torch.cuda.device_count()} CUDA devices")
    # Given explicitly: inside of a Slurm job, Fabric would take the number of processes from Slurm.
    fabric = Fabric(
        accelerator=accelerator,
        devices=run.devices,
        strategy="ddp" if run.devices > 1 else "auto",
        plugins=[LightningEnvironment()],
    )
    fabric.launch()
    return fabric


@contextmanager
def threads_of_run(number: int | None) -> Iterator[None]:
    """Set the number of CPU threads of torch for the time of the run; by default, at most `default_threads`."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, default_threads()) if number is None else number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _claim_folder(config: TrainConfig, resume: bool) -> Path:
    folder = config.run.output.resolve()
    if not resume and (folder / CHECKPOINT_NAME).exists():
        raise TrainingError(
            f"{folder} holds a run already: continue it (--resume), or choose another folder (--output)"
        )
    check_output_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _make_trainer(fabric: Fabric, config: TrainConfig, setup: TrainingSetup, folder: Path, resume: bool) -> Trainer:
    potential = initial_potential(config, setup, fabric.device)
    trainer = Trainer(fabric, config, potential, setup.train, setup.validation, setup.scale)
    if resume:
        content = read_checkpoint(folder / CHECKPOINT_NAME, fabric.device)
        try:
            refuse_changes(content, config, setup.hashes)
            trainer.load_state_dict(content)
        except TrainingError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:  # as many as ways to differ
            raise not_a_checkpoint(folder / CHECKPOINT_NAME) from error
    return trainer


def _fit(
    trainer: Trainer, setup: TrainingSetup, stop: StopRequest, folder: Path, observer: TrainingObserver
) -> str | None:
    """Train; a batch that fails is saved beside the last checkpoint."""
    if trainer.engine == "native":
        # Little is left to torch, and its threads would spin on the cores of the kernels.
        torch.set_num_threads(1)
    config, is_first = trainer.config, trainer.fabric.is_global_zero
    identity = {"config": config.model_dump(mode="json"), "data": setup.hashes}
    checkpointer = Checkpointer(
        folder / CHECKPOINT_NAME if is_first else None,
        lambda: {**identity, **trainer.state_dict()},
        config.run.checkpoint_every,
    )
    log = MetricsLog(folder if is_first else None, trainer.state.history, config.run.tensorboard)
    trainer.start_clock()
    try:
        return trainer.fit(stop, checkpointer, log, observer)
    except FailedBatchError as error:
        if is_first:
            _save_structures(trainer.train, error.indices, folder / FAILED_NAME)
        raise TrainingError(
            f"{error}; its {len(error.indices)} structures are in {folder / FAILED_NAME}: look for wrong labels "
            "there (`mlpot data check`), or lower training.lr"
        ) from error
    finally:
        log.close()


def _save_structures(samples: SampleSet, indices: list[int], path: Path) -> None:
    """Write structures with their labels and their place in the training set."""
    frames = []
    for index in indices:
        structure = samples.structures[index]
        atoms = structure.atoms.copy()
        atoms.info["index_in_training_set"] = index
        labels = {"energy": structure.energy, "forces": structure.forces, "stress": structure.stress}
        atoms.calc = SinglePointCalculator(atoms, **{key: value for key, value in labels.items() if value is not None})
        frames.append(atoms)
    ase.io.write(path, frames, format="extxyz")


def _finish(
    trainer: Trainer, setup: TrainingSetup, folder: Path, stopped: str | None
) -> tuple[TrainingResult, ModelBundle | None]:
    """Remove the energy offset, score and plot; the model is None in all processes but the first."""
    batch_atoms = 4 * trainer.settings.batch_atoms
    offset = remove_energy_offset(trainer.average.module, setup.train, batch_atoms, trainer.fabric.device)
    record_max_density(trainer.average.module, setup.train, batch_atoms, trainer.fabric.device)
    trainer.evaluate = trainer.evaluate_exported()
    validation = None if setup.validation is None else trainer.score(setup.validation)[1]
    test = None if setup.test is None or stopped else trainer.score(setup.test)[1]
    result = TrainingResult(
        folder=folder,
        model=folder / MODEL_NAME,
        stopped=stopped,
        epochs=trainer.state.epoch,
        steps=trainer.state.step,
        wall_time=trainer.elapsed(),
        validation=validation,
        test=test,
    )
    if not trainer.fabric.is_global_zero:
        return result, None
    summary = _summary(result, trainer, setup) | {"energy_offset_correction": offset}
    if stopped is None and trainer.config.run.plots:
        _plot(trainer, setup, folder)
    return result, bundle_model(trainer.average.module, summary)


def _save(bundle: ModelBundle, path: Path, data: TrainingData, n_members: int) -> None:
    """Save model and summary; the model with a shallow committee of `n_members`, without it where it cannot be made."""
    try:
        if n_members:
            bundle = attach(bundle, data.train, data.validation, n_members)
    finally:
        bundle.save(path)
        summary = json.dumps(bundle.manifest.training, indent=1)
        write_atomically(path.with_name(SUMMARY_NAME), f"{summary}\n")


def _summary(result: TrainingResult, trainer: Trainer, setup: TrainingSetup) -> dict[str, Any]:
    """Plain data about the run, for `summary.json` and for the manifest of the model."""
    return {
        "complete": result.stopped is None,
        "stopped": result.stopped,
        "epochs": result.epochs,
        "steps": result.steps,
        "wall_time_s": round(result.wall_time, 1),
        "errors": {"validation": result.validation, "test": result.test},
        "error_units": {"energy": "meV/atom", "forces": "meV/A", "stress": "meV/A^3"},
        "n_structures": {
            "train": len(setup.train),
            "validation": 0 if setup.validation is None else len(setup.validation),
        },
        "data_hash": setup.hashes,
        "data": setup.summary,
        "reference_energies": setup.references.as_dict(),
        "torch": torch.__version__,
        "engine": trainer.engine,
        "threads": trainer.threads,
        "device": str(trainer.fabric.device),
        "config": portable(trainer.config),
    }


def _plot(trainer: Trainer, setup: TrainingSetup, folder: Path) -> None:
    plot_learning_curve(trainer.state.history, folder / "learning_curve.png")
    for name, samples in {"validation": setup.validation, "test": setup.test}.items():
        if samples is not None:
            references = torch.tensor(setup.references.values)
            pairs = predict_labels(
                trainer.evaluate,
                trainer.average.module,
                samples,
                references,
                4 * trainer.settings.batch_atoms,
                trainer.fabric.device,
            )
            plot_parity(pairs, folder / f"parity_{name}.png", title=f"{name}: {len(samples)} structures")
