"""The loop: explore -> select -> label -> learn -> decide, repeatedly, with all of its state in the store.

Each step writes its result together with everything that follows from it, in one transaction, and draws its random
numbers from the seed, the iteration and its own number. So a loop that was killed at any moment continues where it was,
and ends with the labels of one that was not killed. Iteration 0 labels the initial structures and explores nothing.
"""

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpot.active_learning.config import LoopConfig
from mlpot.active_learning.exploration.lammps_trajectory import LammpsTrajectory
from mlpot.active_learning.exploration.trajectory import Frame, Trajectory, run_trajectory
from mlpot.active_learning.initial.structures import InitialState, draw_held_out, initial_states, initial_structures
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.progress import (
    FramesSelected,
    InitialStructuresMade,
    LabelsChanged,
    ModelTrained,
    OnProgress,
    Progress,
    TrainingStarted,
    TrajectoryEnded,
)
from mlpot.active_learning.selection.batch import select_frames
from mlpot.active_learning.selection.uncertainty_model import UncertaintyModel
from mlpot.active_learning.stop import reason_to_end
from mlpot.active_learning.store.history import SelectionRecord
from mlpot.active_learning.store.identity import settings_id
from mlpot.active_learning.store.steps import StepName
from mlpot.active_learning.store.store import Store
from mlpot.active_learning.store.trajectories import FrameRecord, TrajectoryRecord
from mlpot.active_learning.train import Parts, parts_until, train_model
from mlpot.errors import ConfigError, StoreError
from mlpot.running.outputs import check_output_folder
from mlpot.running.stopping import StopRequest, stop_on_signals


@dataclass(frozen=True)
class LoopResult:
    """How a loop ended.

    Attributes
    ----------
    iteration : int
        The last one that was begun.
    model : Path or None
        The latest potential.
    metrics : dict or None
        Of the latest potential, see `train.Trained`.
    ended : str or None
        The rule that ended it.
    stopped : str or None
        A signal or the wall time: the same command continues.
    halted : str or None
        Labels cannot be computed or trusted, or all trajectories fail.
    """

    iteration: int
    model: Path | None
    metrics: dict[str, Any] | None = None
    ended: str | None = None
    stopped: str | None = None
    halted: str | None = None


class _StoppedError(Exception):
    """The loop was stopped; every finished step is in the store."""


class _HaltedError(Exception):
    """No labels can be computed, or nothing can be explored."""


@dataclass(frozen=True)
class _Finished:
    """A finished step: its result, and a function that writes what follows from it."""

    result: dict[str, Any]
    write: Callable[[], None] = lambda: None


def run_loop(config: LoopConfig, on_progress: OnProgress = lambda *_: None) -> LoopResult:
    """Start a loop, or continue it.

    Parameters
    ----------
    config : LoopConfig
    on_progress : callable
        Called with the iteration and a value of `progress`.

    Raises
    ------
    StoreError
        Another process runs this loop, or the store cannot be used.
    ConfigError
        The store holds labels of other settings.
    """
    check_output_folder(config.store.parent)
    config.store.parent.mkdir(parents=True, exist_ok=True)
    request = StopRequest(config.stop.wall_time)
    with _locked(config.store), Store(config.store, create=True) as store, stop_on_signals(request):
        loop = _Loop(store, config, request, on_progress)
        reasons: dict[str, str] = {}
        try:
            reasons["ended"] = loop.run()
        except _StoppedError as error:
            reasons["stopped"] = str(error)
        except _HaltedError as error:
            reasons["halted"] = str(error)
        return LoopResult(loop.iteration, loop.model, loop.metrics, **reasons)


@contextmanager
def _locked(store: Path) -> Iterator[None]:
    """Allow one loop on a store; the lock ends with the process."""
    with store.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"another `mlpot active run` uses {store}: wait for it, or end it") from None
        yield


class _Loop:
    """One start of the loop."""

    def __init__(self, store: Store, config: LoopConfig, request: StopRequest, on_progress: OnProgress) -> None:
        self.store, self.config, self.request, self._on_progress = store, config, request, on_progress
        self.settings = self._settings()
        self.iteration = 0

    @property
    def metrics(self) -> dict[str, Any] | None:
        """Result of the latest training."""
        learned = [step.result for step in self.store.steps.all("learn") if step.ended is not None]
        return dict(learned[-1]) if learned else None

    @property
    def model(self) -> Path | None:
        """The latest potential."""
        metrics = self.metrics
        return None if metrics is None else self.store.model_folder / metrics["model"]

    def run(self) -> str:
        """Run until a rule ends the loop, and return the reason."""
        while True:
            self._step("select", self._select)
            self._step("label", self._label, again=self._retried())
            self._step("learn", self._learn)
            ended = reason_to_end(self.store, self.config.stop, self.settings, self.iteration)
            if ended is not None:
                self.store.history.note("ended", ended)
                return ended
            self.iteration += 1
            self._explore()

    def _settings(self) -> str:
        """Hash of the settings of labels; a store of other settings is refused before anything is written to it."""
        content = self.config.label.identity()
        known = {row["id"] for row in self.store.database.rows("SELECT id FROM settings")}
        if known and settings_id(content) not in known:
            raise ConfigError(
                f"{self.store.path} holds labels of other settings than `label` has, and the two must not be mixed: "
                "restore label.code and label.parameters, or use another `store`"
            )
        return self.store.add_settings(content)

    # --- steps

    def _step(self, name: StepName, action: Callable[[], _Finished], *, number: int = 0, again: bool = False) -> None:
        """Run a step that is not over yet, or any with `again`; an interrupted `action` can be repeated."""
        if self.store.steps.result(self.iteration, name, number) is not None and not again:
            return
        self._check_stop()
        self.store.steps.begin(self.iteration, name, number)
        began = time.monotonic()
        finished = action()
        with self.store.database.transaction():
            finished.write()
            seconds = time.monotonic() - began
            self.store.steps.finish(self.iteration, name, number, seconds=seconds, result=finished.result)
        self.store.database.checkpoint()

    def _check_stop(self) -> None:
        reason = self.request.reason()
        if reason is not None:
            raise _StoppedError(reason.replace(" (--max-time)", " (stop.wall_time)"))

    def _report(self, progress: Progress) -> None:
        self._on_progress(self.iteration, progress)

    # --- explore

    def _explore(self) -> None:
        if self.store.steps.result(self.iteration, "select") is not None:
            return
        count = self.config.explore.trajectories
        again = bool(self._failures(count))  # a new start implies that the cause is fixed
        model = self._uncertainty_model()
        states = initial_states(self.config.systems, self.config.explore.supercell, self.config.seed)
        for number in range(count):
            state = states[((self.iteration - 1) * count + number) % len(states)]
            self._step(
                "explore",
                lambda number=number, state=state: self._run_trajectory(model, number, state),  # type: ignore[misc]
                number=number,
                again=again,
            )
        failures = self._failures(count)
        if failures:
            raise _HaltedError(f"all trajectories of iteration {self.iteration} failed, none can be used: {failures}")

    def _failures(self, count: int) -> str:
        """Why the trajectories failed; empty unless all of them did, without any frame to label."""
        results = [self.store.steps.result(self.iteration, "explore", number) for number in range(count)]
        reasons = [None if one is None else TrajectoryRecord.from_values(one).failure for one in results]
        return "" if None in reasons else "; ".join(sorted({str(one) for one in reasons}))

    def _run_trajectory(self, model: UncertaintyModel, number: int, state: InitialState) -> _Finished:
        settings, target = self.config.explore.from_start(state.kind), self.config.stop.force_error
        rng = np.random.default_rng([self.config.seed, self.iteration, 0, number])

        def stop() -> bool:
            return self.request.reason() is not None

        if settings.program == "lammps" and state.atoms.pbc.all():
            folder = self.store.work_folder / f"trajectory-{self.iteration}.{number}"
            done = LammpsTrajectory(model, settings, target, folder, self.config.threads).run(state, rng, stop)
        else:
            done = run_trajectory(model, state, settings, target, rng, stop)
        if done.stopped:
            self._check_stop()
        self._report(TrajectoryEnded(number, settings.trajectories, done, target))
        name = f"{self.iteration}.{number}"
        with self.store.database.transaction():
            record = self._record(done, name)
        return _Finished(record.as_values(), lambda: self._note_trajectory(name, record))

    def _record(self, done: Trajectory, name: str) -> TrajectoryRecord:
        """Add the frames of a trajectory to the store."""

        def kept(frame: Frame) -> FrameRecord:
            origin = {"kind": "trajectory", "trajectory": name, "start": done.start, **frame.details}
            return FrameRecord(self.store.add_structure(frame.atoms, origin), frame.details)

        return TrajectoryRecord(
            done.start,
            [kept(frame) for frame in done.frames],
            None if done.random_frame is None else kept(done.random_frame),
            done.picoseconds,
            done.n_checks,
            done.expected_fraction,
            done.ending,
            done.left_out,
        )

    def _note_trajectory(self, name: str, record: TrajectoryRecord) -> None:
        """Add an event if something may have to be fixed."""
        name = f"trajectory {name} ({record.start})"
        if record.ending.kind in ("failed", "unphysical"):
            self.store.history.note("trajectory", f"{name} {record.ending}")
        elif record.left_out:
            count, reason = len(record.left_out), record.left_out[0]
            self.store.history.note("trajectory", f"{name}: {count} frames are left out, the first because {reason}")

    def _uncertainty_model(self) -> UncertaintyModel:
        if self.model is None:
            raise StoreError(f"{self.store.path} holds no potential to explore with")
        return UncertaintyModel(self.model, self.config.threads)

    # --- select

    def _select(self) -> _Finished:
        if self.iteration == 0:
            return self._select_initial()
        last = self.store.steps.result(self.iteration - 1, "learn") or {}
        parts = self._parts()
        batch = select_frames(
            self.store,
            self._uncertainty_model(),
            self.config.select,
            iteration=self.iteration,
            model_id=last["sha256"],
            labels=self.settings,
            labelled=[one.atoms for one in [*parts.train, *parts.held_out]],
            seed=self.config.seed,
        )
        self._report(FramesSelected(len(batch.structures) - batch.n_random, batch.n_random, batch.decisions))
        return self._selected(batch.records, batch.structures, batch.decisions)

    def _select_initial(self) -> _Finished:
        found: dict[str, dict[str, Any]] = {}
        elements: dict[str, set[str]] = {}
        with self.store.database.transaction():
            for index, system in enumerate(self.config.systems):
                for atoms, origin in initial_structures(system, self.config.seed + 10_000 * index):
                    name = self.store.add_structure(atoms, origin)
                    found.setdefault(name, origin)
                    elements[name] = set(atoms.symbols)
        held_out = draw_held_out(elements, self.config.learn.held_out)
        records = []
        for name, origin in found.items():
            part = "held_out" if name in held_out else "train"
            records.append(SelectionRecord(name, 0, True, "initial structure", {**origin, "part": part}, None))
        self._report(InitialStructuresMade(len(found), len(held_out)))
        return self._selected(records, list(found), {})

    def _selected(self, records: list[SelectionRecord], structures: list[str], decisions: dict[str, int]) -> _Finished:
        def write() -> None:
            for record in records:
                self.store.history.add_selection(record)
            for rank, structure in enumerate(structures):
                self.store.jobs.add(structure, self.settings, iteration=self.iteration, priority=-float(rank))

        return _Finished({"structures": structures, "decisions": decisions}, write)

    # --- label and learn

    def _retried(self) -> bool:
        """Whether jobs of the latest iteration wait though its step is over: after `mlpot active retry`."""
        counts = self.store.jobs.counts(self.settings)
        if counts["waiting"] + counts["running"] == 0:
            return False
        return self.iteration == max(step.iteration for step in self.store.steps.all())

    def _label(self) -> _Finished:
        def report() -> None:
            counts, blocked = self.store.jobs.counts(self.settings), self.store.history.blocked()
            left, seconds = counts["waiting"] + counts["running"], self.store.jobs.seconds_left(self.settings)
            self._report(LabelsChanged(counts["done"], left, seconds, blocked))

        done = label_waiting(
            self.store,
            self.config.label,
            self.config.executor,
            stop=lambda: self.request.reason() is not None,
            on_change=report,
        )
        if done.halted is not None:
            raise _HaltedError(done.halted)
        self._check_stop()
        return _Finished({"failed": self.store.jobs.n_failed(self.settings, self.iteration)})

    def _parts(self) -> Parts:
        return parts_until(self.store, self.settings, self.iteration)

    def _learn(self) -> _Finished:
        parts = self._parts()
        self._report(TrainingStarted(len(parts.train), len(parts.held_out)))
        remaining = self.request.remaining()
        trained = train_model(self.store.model_folder, self.config, parts, self.iteration, self.model, remaining)
        if trained is None:
            self._check_stop()
            raise _StoppedError("the training was stopped")
        self._report(ModelTrained(trained.metrics, self.config.stop.force_error))
        sha256 = hashlib.sha256(trained.model.read_bytes()).hexdigest()
        result = {**trained.metrics, "model": trained.model.name, "sha256": sha256}

        def write() -> None:
            jobs, path = [one.job.id for one in parts.train], str(trained.model)
            metrics = _without_points(result)
            self.store.history.add_model(sha256, path, jobs, iteration=self.iteration, metrics=metrics)

        return _Finished(result, write)


def _without_points(result: dict[str, Any]) -> dict[str, Any]:
    """Metrics without the pairs that only the report needs."""
    return {
        name: {key: one for key, one in value.items() if key not in ("sigma", "error")}
        if isinstance(value, dict)
        else value
        for name, value in result.items()
    }
