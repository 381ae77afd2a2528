"""The loop: explore -> select -> label -> learn -> decide, again and again, all of its state in the store.

Every step writes its result together with all that follows from it, in one transaction, and draws its random numbers
from the seed, the iteration and its own name. So a loop that was killed at any moment goes on where it was, and ends
with the labels of one that was not disturbed. Iteration 0 labels the first structures and explores nothing.
"""

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from mlpot.active_learning.config import LoopConfig
from mlpot.active_learning.exploration.lammps_trajectory import LammpsWalk
from mlpot.active_learning.exploration.trajectory import Frame, Walk, walk
from mlpot.active_learning.initial import Start, draw_held_out, first_structures, starts_of_walks
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.reporting.overview import time_left
from mlpot.active_learning.reporting.times import duration
from mlpot.active_learning.selection.batch import choose
from mlpot.active_learning.selection.uncertainty_model import Judge
from mlpot.active_learning.stop import reason_to_end
from mlpot.active_learning.store.history import SelectionRecord
from mlpot.active_learning.store.identity import settings_id
from mlpot.active_learning.store.store import Store
from mlpot.active_learning.train import Parts, learn, parts_until
from mlpot.errors import ConfigError, StoreError
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
    ended : str or None
        The rule that ended it; None where it can go on.
    stopped : str or None
        Ctrl-C or out of time: the same command goes on.
    halted : str or None
        Labels cannot be computed or trusted, or all walks fail.
    """

    iteration: int
    model: Path | None
    ended: str | None = None
    stopped: str | None = None
    halted: str | None = None


class _StoppedError(Exception):
    """The loop was asked to stop; every step that is over is in the store."""


class _HaltedError(Exception):
    """No labels can be computed, or nothing can be explored."""


def run_loop(config: LoopConfig, console: Console | None = None) -> LoopResult:
    """Begin a loop, or go on with it.

    Parameters
    ----------
    config : LoopConfig
    console : rich.console.Console, optional
        One line a step.

    Returns
    -------
    LoopResult

    Raises
    ------
    StoreError
        Another process runs this loop, or the store cannot be used.
    ConfigError
        Other settings of labels than those of the store.
    """
    config.store.parent.mkdir(parents=True, exist_ok=True)
    request = StopRequest(config.stop.wall_time)
    with _alone(config.store), Store(config.store, create=True) as store, stop_on_signals(request):
        loop = _Loop(store, config, request, console or Console(quiet=True))
        try:
            ended = loop.run()
        except _StoppedError as error:
            return LoopResult(loop.iteration, loop.model, stopped=str(error))
        except _HaltedError as error:
            return LoopResult(loop.iteration, loop.model, halted=str(error))
        return LoopResult(loop.iteration, loop.model, ended=ended)


@contextmanager
def _alone(store: Path) -> Iterator[None]:
    """Keep a second loop off the store; the lock goes with the process, however that ends."""
    with store.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"another `mlpot active run` works with {store}: wait for it, or end it") from None
        yield


class _Loop:
    """One start of the loop."""

    def __init__(self, store: Store, config: LoopConfig, request: StopRequest, console: Console) -> None:
        self.store, self.config, self.request, self.console = store, config, request, console
        self.settings = self._settings()
        self.iteration = 0

    @property
    def model(self) -> Path | None:
        """The latest potential."""
        learned = [step.result for step in self.store.progress.steps("learn") if step.ended is not None]
        return self.store.model_folder / learned[-1]["model"] if learned else None

    def run(self) -> str:
        """Go on until a rule ends it; which one."""
        while True:
            self._step("select", self._select)
            self._step("label", self._label, again=self._asked_again())
            self._step("learn", self._learn)
            ended = reason_to_end(self.store, self.config, self.settings, self.iteration)
            if ended is not None:
                self.store.history.note("ended", ended)
                self._say(f"ended: {ended}")
                return ended
            self.iteration += 1
            self._explore()

    def _settings(self) -> str:
        """Hash of the settings of labels; another loop's store is refused before anything is written to it."""
        content = self.config.label.identity()
        known = {row["id"] for row in self.store.database.rows("SELECT id FROM settings")}
        if known and settings_id(content) not in known:
            raise ConfigError(
                f"{self.store.path} holds labels of other settings than `label` asks for, and the two must not be "
                "mixed: put label.code and label.parameters back, or name another `store`"
            )
        return self.store.add_settings(content)

    # --- steps

    def _step(self, name: str, action: Callable[[], dict[str, Any]], *, again: bool = False) -> None:
        """Do a step that is not over yet, or `again`; `action` writes nothing but what may be written again."""
        if self.store.progress.result(self.iteration, name) is not None and not again:
            return
        self._check_stop()
        self.store.progress.begin(self.iteration, name)
        began = time.monotonic()
        result = action()
        with self.store.database.transaction():
            self._write(name, result)
            self.store.progress.finish(self.iteration, name, time.monotonic() - began, result)

    def _write(self, name: str, result: dict[str, Any]) -> None:
        """Write what follows from a step."""
        if name == "select":
            for record in result.pop("records"):
                self.store.history.select(record)
            structures = result["structures"]
            for rank, structure in enumerate(structures):
                self.store.jobs.add(structure, self.settings, iteration=self.iteration, priority=-float(rank))
        elif name.startswith("explore/"):
            self._note_walk(name.removeprefix("explore/"), result)
        elif name == "learn":
            jobs = result.pop("jobs")
            path = self.store.model_folder / result["model"]
            self.store.history.add_model(
                result["sha256"], str(path), jobs, iteration=self.iteration, metrics=_short(result)
            )

    def _note_walk(self, index: str, result: dict[str, Any]) -> None:
        """Note what somebody may want to mend."""
        name = f"walk {self.iteration}.{index} ({result['kind']})"
        if not result["ended"].startswith(("complete", "untrusted")):
            self.store.history.note("walk", f"{name} {result['ended']}")
        elif result["left_out"]:
            count, reason = len(result["left_out"]), result["left_out"][0]
            self.store.history.note("walk", f"{name}: {count} frames are left out, the first because {reason}")

    def _check_stop(self) -> None:
        reason = self.request.reason()
        if reason is not None:
            raise _StoppedError(reason.replace(" (--max-time)", " (stop.wall_time)"))

    def _say(self, text: str) -> None:
        self.console.print(f"[{self.iteration}] {text}", markup=False, highlight=False, soft_wrap=True)

    # --- explore

    def _explore(self) -> None:
        if self.store.progress.result(self.iteration, "select") is not None:
            return
        names = [f"explore/{index}" for index in range(self.config.explore.walks)]
        again = bool(self._failures(names))  # whoever starts again has mended it
        judge = self._judge()
        starts = starts_of_walks(self.config.systems, self.config.explore.supercell, self.config.seed)
        for index, name in enumerate(names):
            start = starts[((self.iteration - 1) * len(names) + index) % len(starts)]
            self._step(name, lambda index=index, start=start: self._walk(judge, index, start), again=again)  # type: ignore[misc]
        failures = self._failures(names)
        if failures:
            raise _HaltedError(f"all walks of iteration {self.iteration} failed, nothing was explored: {failures}")

    def _failures(self, names: list[str]) -> str:
        """Why walks failed; empty unless all of them did, with nothing to learn from."""
        walks = [self.store.progress.result(self.iteration, name) for name in names]
        reasons = [None if one is None else _failure(one) for one in walks]
        return "" if None in reasons else "; ".join(sorted({str(one) for one in reasons}))

    def _walk(self, judge: Judge, index: int, start: Start) -> dict[str, Any]:
        settings, target = self.config.explore.from_start(start.kind), self.config.stop.force_error
        rng = np.random.default_rng([self.config.seed, self.iteration, 0, index])

        def stop() -> bool:
            return self.request.reason() is not None

        if settings.program == "lammps" and start.atoms.pbc.all():
            folder = self.store.work_folder / f"walk-{self.iteration}.{index}"
            done = LammpsWalk(judge, settings, target, folder, self.config.threads).run(start, rng, stop)
        else:
            done = walk(judge, start, settings, target, rng, stop)
        if done.stopped:
            self._check_stop()
        self._say(
            f"walk {index + 1}/{settings.walks} ({done.kind}): {done.picoseconds:.2f} ps, {len(done.frames)} uncertain "
            f"frames, {100 * done.expected_share:.1f} % of force errors expected below {target:g} eV/A; {done.ended}"
        )
        with self.store.database.transaction():
            return self._walk_result(done, f"{self.iteration}.{index}")

    def _walk_result(self, done: Walk, name: str) -> dict[str, Any]:
        def kept(frame: Frame) -> dict[str, Any]:
            origin = {"kind": "walk", "walk": name, "start": done.kind, **frame.details}
            return {"structure": self.store.add_structure(frame.atoms, origin), **frame.details}

        return {
            "kind": done.kind,
            "frames": [kept(frame) for frame in done.frames],
            "control": None if done.control is None else kept(done.control),
            "picoseconds": done.picoseconds,
            "looks": done.looks,
            "expected_share": done.expected_share,
            "ended": done.ended,
            "left_out": done.left_out,
        }

    def _judge(self) -> Judge:
        if self.model is None:
            raise StoreError(f"{self.store.path} holds no potential to explore with")
        return Judge(self.model, self.config.threads)

    # --- select

    def _select(self) -> dict[str, Any]:
        if self.iteration == 0:
            return self._select_first()
        last = self.store.progress.result(self.iteration - 1, "learn") or {}
        parts = self._parts()
        labelled = [one.atoms for one in [*parts.train, *parts.held_out]]
        batch = choose(self.store, self._judge(), self.config, self.iteration, last["sha256"], labelled)
        counted = ", ".join(f"{number} {kind}" for kind, number in sorted(batch.verdicts.items())) or "none uncertain"
        n_control = sum(one.details["part"] == "held_out" for one in batch.records)
        self._say(f"selected {len(batch.structures)} frames: {n_control} control; {counted}")
        return {"records": batch.records, "structures": batch.structures, "verdicts": batch.verdicts}

    def _select_first(self) -> dict[str, Any]:
        found: dict[str, dict[str, Any]] = {}
        elements: dict[str, set[str]] = {}
        with self.store.database.transaction():
            for index, system in enumerate(self.config.systems):
                for atoms, origin in first_structures(system, self.config.seed + 10_000 * index):
                    name = self.store.add_structure(atoms, origin)
                    found.setdefault(name, origin)
                    elements[name] = set(atoms.symbols)
        held_out = draw_held_out(elements, self.config.learn.held_out)
        records = [
            SelectionRecord(
                one, 0, True, "to begin with", {**origin, "part": "held_out" if one in held_out else "train"}, None
            )
            for one, origin in found.items()
        ]
        self._say(f"{len(found)} structures to begin with, {len(held_out)} of them held out")
        return {"records": records, "structures": list(found), "verdicts": {}}

    # --- label and learn

    def _asked_again(self) -> bool:
        """Whether calculations of the latest iteration wait, or were left behind; after `retry` though it is over."""
        counts = self.store.jobs.counts(self.settings)
        if counts["waiting"] + counts["running"] == 0:
            return False
        return self.iteration == max(step.iteration for step in self.store.progress.steps())

    def _label(self) -> dict[str, Any]:
        wanted = self.store.jobs.counts(self.settings)["waiting"]

        def show() -> None:
            counts = self.store.jobs.counts(self.settings)
            trouble = self.store.history.trouble()
            left = time_left(self.store, self.settings)
            ends = "" if left is None else f", {duration(left)} left"
            if trouble is not None:
                ends = f"; held up: {trouble}"
            self._say(f"labels: {counts['done']} done, {counts['waiting'] + counts['running']} to do{ends}")

        report = label_waiting(
            self.store,
            self.config.label,
            self.config.executor,
            stop=lambda: self.request.reason() is not None,
            on_change=show,
        )
        if report.halted is not None:
            raise _HaltedError(report.halted)
        self._check_stop()
        set_aside = self.store.database.number(
            "SELECT count(*) FROM jobs WHERE state = 'set_aside' AND settings_id = ? AND iteration = ?",
            (self.settings, self.iteration),
        )
        return {"asked": wanted, "set_aside": int(set_aside)}

    def _parts(self) -> Parts:
        return parts_until(self.store, self.settings, self.iteration)

    def _learn(self) -> dict[str, Any]:
        parts, previous = self._parts(), self.model
        self._say(f"training on {len(parts.train)} labels, {len(parts.held_out)} held out")
        remaining = self.request.remaining()
        learned = learn(self.store, self.config, parts, self.iteration, previous, remaining)
        if learned.model is None:
            self._check_stop()
            raise _StoppedError("the training was stopped")
        self._say(describe(learned.metrics))
        sha256 = hashlib.sha256(learned.model.read_bytes()).hexdigest()
        jobs = [one.job.id for one in parts.train]
        return {**learned.metrics, "model": learned.model.name, "sha256": sha256, "jobs": jobs}


def describe(metrics: dict[str, Any]) -> str:
    """One line about a new potential.

    Parameters
    ----------
    metrics : dict
        Of `learn.Learned`.

    Returns
    -------
    str
    """
    names = {"fixed": "validation", "control_before": "new control frames before", "chosen_before": "chosen before"}
    parts = [
        f"{text} {1e3 * metrics[name]['forces_rmse']:.0f} meV/A"
        for name, text in names.items()
        if metrics.get(name) is not None
    ]
    return f"learned in {metrics['training_seconds']:.0f} s; force RMSE: {', '.join(parts)}"


def _failure(walk: Mapping[str, Any]) -> str | None:
    """Why a walk failed at its start, or without a frame to label; None of one that is worth something."""
    useful = walk["picoseconds"] > 0.0 and (walk["frames"] or walk["control"] is not None)
    return None if useful or not walk["ended"].startswith("failed: ") else walk["ended"].removeprefix("failed: ")


def _short(result: dict[str, Any]) -> dict[str, Any]:
    """Metrics without the pairs that only the report needs."""
    return {
        name: {key: one for key, one in value.items() if key not in ("sigma", "error")}
        if isinstance(value, dict)
        else value
        for name, value in result.items()
    }
