"""A whole training run: data in, a folder with `model.pt`, checkpoint, metrics, plots and a summary out."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from rich.console import Console

from mlpot.config import RunConfig, TrainConfig
from mlpot.config.train_file import TRAIN_CONFIG_NAME, portable, write_train_config
from mlpot.errors import ConfigError, TrainingError
from mlpot.model_file.bundle import ModelBundle
from mlpot.model_file.torchscript import save_model
from mlpot.running.stopping import StopRequest, stop_on_signals
from mlpot.training.checkpoint import CHECKPOINT_NAME, read_checkpoint, refuse_changes
from mlpot.training.committee.assemble import attach
from mlpot.training.display import Display
from mlpot.training.distillation import teach
from mlpot.training.energy_offset import remove_energy_offset
from mlpot.training.epochs import Checkpointer, run_epochs
from mlpot.training.max_density import record_max_density
from mlpot.training.metrics import MetricsLog
from mlpot.training.plots import plot_learning_curve, plot_parity
from mlpot.training.samples import SampleSet
from mlpot.training.scoring import predict_labels
from mlpot.training.setup import TrainingSetup, initial_potential, prepare, training_parts
from mlpot.training.trainer import FailedBatchError, Trainer

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
    *,
    resume: bool = False,
    max_time: float | None = None,
    console: Console | None = None,
) -> TrainingResult:
    """Train a potential.

    Parameters
    ----------
    config : TrainConfig
    resume : bool
        Go on from the checkpoint in the output folder.
    max_time : float, s
        Stop after this time with a checkpoint, wherever the run is.
    console : Console
        Where progress is shown; nothing is printed without it.

    Returns
    -------
    TrainingResult

    Raises
    ------
    ConfigError, DataError
        A run that cannot begin.
    TrainingError
        An output folder in use, a resume with changed settings, a loss that is not finite.
    """
    committee = config.training.committee
    if committee is not None and committee.kind == "deep" and committee.member is None:
        raise ConfigError(
            "the members of a deep committee are trained in processes of their own: use `mlpot train` or "
            "`mlpot.training.committee.members.train_members`"
        )
    stop = StopRequest(max_time)
    fabric = _launch(config.run)
    console = console if fabric.is_global_zero else None
    with stop_on_signals(stop), _threads(config.run.threads):
        folder = _claim_folder(config, resume)
        if config.training.distill is not None and fabric.is_global_zero:
            teach(config, training_parts(config, None)[0], stop, console)
        fabric.barrier()
        problem = prepare(config, console)
        identity = {"config": config.model_dump(mode="json"), "data": problem.hashes}
        potential = initial_potential(config, problem, fabric.device)
        fit = Trainer(fabric, config, potential, problem.train, problem.validation, problem.scale)
        if resume:
            content = read_checkpoint(folder / CHECKPOINT_NAME, fabric.device)
            refuse_changes(content, config, problem.hashes)
            fit.load_state_dict(content)
        if fabric.is_global_zero:
            write_train_config(config, folder / TRAIN_CONFIG_NAME)
        if console is not None:
            console.print(f"engine {fit.engine}, {fit.threads} threads, {fabric.device}", highlight=False)
        if fit.engine == "native":
            # What is left to torch is small, and its threads would wait in a loop on the cores of the kernels.
            torch.set_num_threads(1)
        keeper = Checkpointer(fit, folder, identity, config.run.checkpoint_every)
        stopped = _run(fit, stop, keeper, folder, console)
        result = _conclude(fit, problem, folder, stopped)
    if committee is not None and committee.kind == "shallow" and stopped is None and fabric.is_global_zero:
        training, validation = training_parts(config, None)
        attach(ModelBundle.read(result.model), training, validation, committee.members).save(result.model)
    return result


def _launch(run: RunConfig) -> Fabric:
    """Start the processes of the run; those beyond the first run the same program from its beginning."""
    accelerator = run.device
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise ConfigError("`run.device` is cuda but torch finds no CUDA device: use cpu, or install torch with CUDA")
    if accelerator == "cuda" and run.devices > torch.cuda.device_count():
        raise ConfigError(f"`run.devices` is {run.devices} but there are {torch.cuda.device_count()} CUDA devices")
    # Said outright, or a Slurm that happens to be around decides on the number of processes.
    fabric = Fabric(
        accelerator=accelerator,
        devices=run.devices,
        strategy="ddp" if run.devices > 1 else "auto",
        plugins=[LightningEnvironment()],
    )
    fabric.launch()
    return fabric


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    """Use a number of CPU threads for the time of the run."""
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _claim_folder(config: TrainConfig, resume: bool) -> Path:
    folder = config.run.output.resolve()
    if not resume and (folder / CHECKPOINT_NAME).exists():
        raise TrainingError(
            f"{folder} holds a run already: go on with it (--resume), or choose another folder (--output)"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(fit: Trainer, stop: StopRequest, keeper: Checkpointer, folder: Path, console: Console | None) -> str | None:
    """Train; a batch that fails is saved beside the last checkpoint."""
    is_first = fit.fabric.is_global_zero
    log = MetricsLog(folder if is_first else None, fit.state.history, fit.config.run.tensorboard)
    fit.start_clock()
    try:
        with Display(console) as display:
            return run_epochs(fit, stop, keeper, log, display)
    except FailedBatchError as error:
        if is_first:
            _save_structures(fit.train, error.indices, folder / FAILED_NAME)
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


def _conclude(fit: Trainer, problem: TrainingSetup, folder: Path, stopped: str | None) -> TrainingResult:
    """Take out the offset of energies, score, export, plot and summarise."""
    batch_atoms = 4 * fit.settings.batch_atoms
    offset = remove_energy_offset(fit.average.module, problem.train, batch_atoms, fit.fabric.device)
    record_max_density(fit.average.module, problem.train, batch_atoms, fit.fabric.device)
    fit.evaluate = fit.evaluate_exported()
    validation = None if problem.validation is None else fit.score(problem.validation)[1]
    test = None if problem.test is None or stopped else fit.score(problem.test)[1]
    result = TrainingResult(
        folder=folder,
        model=folder / MODEL_NAME,
        stopped=stopped,
        epochs=fit.state.epoch,
        steps=fit.state.step,
        wall_time=fit.elapsed(),
        validation=validation,
        test=test,
    )
    if fit.fabric.is_global_zero:
        summary = _summary(result, fit, problem) | {"energy_offset_correction": offset}
        save_model(result.model, fit.average.module, training=summary)
        (folder / SUMMARY_NAME).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        if stopped is None and fit.config.run.plots:
            _plot(fit, problem, folder)
    fit.fabric.barrier()
    return result


def _summary(result: TrainingResult, fit: Trainer, problem: TrainingSetup) -> dict[str, Any]:
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
            "train": len(problem.train),
            "validation": 0 if problem.validation is None else len(problem.validation),
        },
        "data_hash": problem.hashes,
        "data": problem.summary,
        "reference_energies": problem.references.as_dict(),
        "torch": torch.__version__,
        "engine": fit.engine,
        "threads": fit.threads,
        "device": str(fit.fabric.device),
        "config": portable(fit.config),
    }


def _plot(fit: Trainer, problem: TrainingSetup, folder: Path) -> None:
    plot_learning_curve(fit.state.history, folder / "learning_curve.png")
    for name, samples in {"validation": problem.validation, "test": problem.test}.items():
        if samples is not None:
            references = torch.tensor(problem.references.values)
            pairs = predict_labels(
                fit.evaluate,
                fit.average.module,
                samples,
                references,
                4 * fit.settings.batch_atoms,
                fit.fabric.device,
            )
            plot_parity(pairs, folder / f"parity_{name}.png", title=f"{name}: {len(samples)} structures")
