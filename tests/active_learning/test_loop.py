"""Whole loops: their steps, how they end, and that they continue after Ctrl-C and kill -9."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from ase.build import bulk
from labelling import faulty
from loops import SMALL, loop_config, written

import mlpot
from mlpot.active_learning.loop import run_loop
from mlpot.active_learning.progress import ModelTrained
from mlpot.active_learning.store.store import Store
from mlpot.errors import ConfigError, DataError, StoreError
from mlpot.model_file.manifest import read_manifest

COPPER = {"structure": "Cu:fcc:3.6", "rattle": [0.05], "strains": 0}
SILVER_FIRST = 3
"""Seed for which the structure with silver has the smallest hash."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    config = loop_config(folder)
    return config, run_loop(config)


@pytest.fixture
def copied(finished, tmp_path):
    """Folder with a copy of the finished loop."""
    shutil.copytree(finished[0].store.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path


def contents(path):
    """Labels, selections and errors of a loop."""
    with Store(path) as store:
        labels = {
            one.job.id: (one.job.iteration, one.label.energy, one.label.forces.tobytes()) for one in store.labelled()
        }
        selections = [(s.structure_id, s.iteration, s.chosen, s.reason) for s in store.history.selections()]
        errors = [step.result["validation"]["error"] for step in store.steps.all("learn")]
    return labels, sorted(selections), errors


def test_a_loop_explores_selects_labels_and_learns(finished):
    config, result = finished
    assert result.ended == "2 iterations (stop.iterations 2)"
    with Store(config.store) as store:
        counts = store.jobs.counts()
        assert counts["done"] == sum(one.chosen for one in store.history.selections())
        assert (counts["waiting"], counts["running"], counts["failed"]) == (0, 0, 0)
        assert [step.iteration for step in store.steps.all("learn")] == [0, 1, 2]
        kinds = {one.details["kind"] for one in store.history.selections() if one.iteration > 0}
        assert {"chosen", "random_validation"} <= kinds
        for one in store.history.selections():
            if one.iteration > 0:
                origin = store.database.rows("SELECT origin FROM structures WHERE id = ?", (one.structure_id,))
                assert '"kind":"trajectory"' in origin[0][0]
                assert one.model_id is not None
    atoms = next(iter(Store(config.store).labelled())).atoms
    atoms.calc = mlpot.load(result.model)
    assert np.isfinite(atoms.calc.get_property("forces_std", atoms)).all()


def test_random_validation_frames_are_never_trained_on(finished):
    config, _ = finished
    with Store(config.store) as store:
        held_out = {one.structure_id for one in store.history.selections() if one.details.get("part") == "held_out"}
        trained = {
            row["structure_id"]
            for row in store.database.rows("SELECT structure_id FROM jobs j JOIN model_labels m ON m.job_id = j.id")
        }
        last = store.steps.all("learn")[-1].result
    assert len(held_out) >= 3
    assert not held_out & trained
    assert last["n_train"] == len(trained)
    assert last["validation"]["n_structures"] + last["random_validation"]["n_structures"] == len(held_out)


def test_errors_before_training_are_those_of_the_previous_potential(finished):
    config, _ = finished
    with Store(config.store) as store:
        last = store.steps.all("learn")[-1].result
        before = store.model_folder / store.steps.all("learn")[-2].result["model"]
        new = [one for one in store.labelled() if one.job.iteration == 2]
        chosen = [one for one in new if store.history.first_model_of(one.job.id) is not None]
        calculator = mlpot.load(before)
        errors = np.concatenate([calculator.get_property("forces", one.atoms) - one.label.forces for one in chosen])
    assert last["chosen_before"]["forces_rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-4)


def test_a_loop_that_ended_continues_when_its_budget_is_raised(tmp_path):
    config = loop_config(tmp_path, stop={"labels": 5})
    assert "stop.labels 5" in run_loop(config).ended
    before = contents(config.store)
    assert run_loop(config).iteration == 0
    assert contents(config.store) == before
    # Every frame is too uncertain for a tiny target: trajectories end at once.
    raised = run_loop(
        loop_config(
            tmp_path,
            stop={"force_error": 1e-4, "iterations": 1},
            explore={"max_uncertainty_factor": 1.5, "trajectories": 1},
        )
    )
    assert raised.iteration == 1
    assert len(contents(config.store)[2]) == 2
    with Store(config.store) as store:
        (trajectory,) = store.steps.all("explore")
    assert trajectory.result["ending"]["kind"] == "uncertain"
    assert trajectory.result["picoseconds"] < 0.06
    assert trajectory.result["expected_fraction"] < 0.9


def test_without_new_training_labels_the_potential_is_calibrated_only(tmp_path):
    config = loop_config(tmp_path, stop={"force_error": 50.0, "converged_time": 0.2, "iterations": 5})
    out_of_reach = config.stop.model_copy(update={"target_fraction": 0.995})
    trained = []

    def on_progress(_, progress):
        if isinstance(progress, ModelTrained):
            trained.append(progress)

    result = run_loop(config.model_copy(update={"stop": out_of_reach}), on_progress)
    assert "no uncertain frame was found in 0.24 ps (stop.converged_time 0.2 ps)" in result.ended
    assert [one.metrics["retrained"] for one in trained] == [True, False, False]
    assert result.iteration == 2
    first, last = (read_manifest(result.model.with_name(f"000{index}.pt")) for index in (0, 2))
    assert last.calibration.n_structures == first.calibration.n_structures + 2
    atoms = bulk("Cu", a=3.7)
    energies = [mlpot.load(result.model.with_name(f"000{index}.pt")).get_property("energy", atoms) for index in (0, 2)]
    assert energies[0] == energies[1]


def test_a_missing_code_halts_the_loop(tmp_path):
    result = run_loop(loop_config(tmp_path, label={"code": "no_such_module:make"}))
    assert "not installed" in result.halted
    with Store(tmp_path / "loop.db") as store:
        assert store.jobs.counts()["waiting"] > 0


def test_retried_jobs_are_labelled_though_their_step_is_over(tmp_path):
    offset = tmp_path / "offset"
    label = {"code": "faulty_codes:shifted", "parameters": {"offset_file": str(offset)}}
    config = loop_config(tmp_path, systems=[{**COPPER, "rattles": 4}], label=label, stop={"labels": 4})
    offset.write_text("nan")
    with pytest.raises(DataError, match="mlpot active retry"):
        run_loop(config)
    offset.write_text("0.0")
    with Store(config.store) as store:
        assert store.jobs.retry_failed() == 4
    assert "4 labels" in run_loop(config).ended
    with Store(config.store) as store:
        assert store.jobs.counts()["waiting"] == 0
        assert store.steps.result(0, "label")["failed"] == 0


def test_an_element_of_one_structure_is_trained_on(tmp_path):
    silver = {**COPPER, "rattles": 4, "substitutions": [{"old": "Cu", "new": "Ag", "fractions": [0.25]}]}
    config = loop_config(tmp_path, systems=[silver], seed=SILVER_FIRST, label={"code": "no_such_module:make"})
    assert run_loop(config).halted is not None
    with Store(config.store) as store:
        first = store.history.selections()
        parts = {one.structure_id: one.details["part"] for one in first}
        (alloy,) = [one.structure_id for one in first if "Ag" in store.structure(one.structure_id).symbols]
    assert min(parts) == alloy
    assert [parts[name] for name in sorted(parts)] == ["train", "held_out", "train", "train", "train"]


def test_fewer_trajectories_after_a_stop_in_one(copied):
    config = loop_config(copied, stop={"iterations": 3}, explore={"trajectories": 1})
    with Store(config.store) as store:
        store.steps.begin(3, "explore", 1)  # of a start with two trajectories
    assert run_loop(config).ended == "3 iterations (stop.iterations 3)"


def test_trajectories_that_all_fail_halt_the_loop_until_the_cause_is_fixed(copied):
    config = loop_config(copied, stop={"iterations": 3})
    before = contents(config.store)
    too_small = config.model_copy(update={"explore": config.explore.model_copy(update={"max_atoms": 1})})
    for _ in range(2):
        halted = run_loop(too_small).halted
        assert halted.startswith("all trajectories of iteration 3 failed, none can be used: no part of a frame of")
    assert contents(config.store) == before
    assert run_loop(config).ended == "3 iterations (stop.iterations 3)"


def test_trainings_have_the_seed_of_the_loop_or_their_own(copied):
    own = loop_config(copied).learn.training.model_dump(mode="json", exclude_unset=True) | {"seed": 3}
    learn = {**SMALL["learn"], "training": own}
    run_loop(loop_config(copied, seed=7, stop={"iterations": 3}))
    run_loop(loop_config(copied, seed=7, stop={"iterations": 4}, learn=learn))
    runs = [yaml.safe_load(path.read_text()) for path in sorted(copied.glob("loop.models/000[0-9].run/*/train.yaml"))]
    assert [run["training"]["seed"] for run in runs] == [0, 0, 0, 7, 3]


def test_labels_of_other_settings_are_refused(finished, tmp_path):
    config, _ = finished
    with pytest.raises(ConfigError, match="must not be mixed"):
        run_loop(loop_config(tmp_path, label={"parameters": {"asap_cutoff": True}}, store=str(config.store)))
    with Store(config.store) as store:
        assert store.database.number("SELECT count(*) FROM settings") == 1


def begin(path):
    command = [sys.executable, "-m", "mlpot", "active", "run", str(path)]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)


def labels_so_far(path):
    try:
        with Store(path) as store:
            return store.jobs.counts()["done"]
    except StoreError:
        return 0


@pytest.mark.faults
def test_control_c_ends_cleanly_and_the_command_goes_on(tmp_path):
    path = written(tmp_path, label={"code": "faulty_codes:slow", "parameters": {"log": "log", "seconds": 0.3}})
    process = begin(path)
    while labels_so_far(tmp_path / "loop.db") < 2:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    words = process.communicate(timeout=60)[1]
    assert process.returncode == 75
    assert "stopped (signal SIGINT); nothing is lost" in words
    with Store(tmp_path / "loop.db") as store:
        counts = store.jobs.counts()
    assert counts["running"] == 0
    assert counts["waiting"] > 0


@pytest.mark.faults
def test_two_loops_do_not_share_a_store(tmp_path):
    path = written(tmp_path, label={"code": "faulty_codes:slow", "parameters": {"log": "log", "seconds": 0.3}})
    process = begin(path)
    try:
        while labels_so_far(tmp_path / "loop.db") < 1:
            time.sleep(0.1)
        with pytest.raises(StoreError, match="another `mlpot active run`"):
            run_loop(loop_config(tmp_path))
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


@pytest.mark.faults
def test_wall_time_stops_a_loop(tmp_path):
    settings = faulty(("slow", {"log": str(tmp_path / "log"), "seconds": 0.5})).model_dump(mode="json")
    result = run_loop(loop_config(tmp_path, label=settings, stop={"wall_time": "2s"}))
    assert "stop.wall_time" in result.stopped


@pytest.mark.parametrize(
    ("n_kills", "iterations"),
    [pytest.param(4, 2, marks=pytest.mark.faults), pytest.param(25, 8, marks=pytest.mark.slow)],
    ids=["some", "many"],
)
def test_kill_at_any_moment_changes_nothing(tmp_path, n_kills, iterations):
    """kill -9 of the driver; its workers end on their own."""
    (tmp_path / "undisturbed").mkdir()
    undisturbed = loop_config(tmp_path / "undisturbed", stop={"iterations": iterations})
    began = time.monotonic()
    run_loop(undisturbed)
    length = time.monotonic() - began
    path, rng, kills = written(tmp_path, stop={"iterations": iterations}), np.random.default_rng(n_kills), 0
    process = begin(path)
    while kills < n_kills and process.poll() is None:
        # Mostly long enough to make progress, sometimes during the start.
        time.sleep(rng.uniform(0.5, 5.0 + 2.0 * length / n_kills))
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
        process = begin(path)
    process.communicate(timeout=600)
    assert process.returncode == 0
    assert contents(tmp_path / "loop.db") == contents(undisturbed.store)
    with Store(tmp_path / "loop.db") as store:
        repeated = store.database.number("SELECT count(*) FROM runs") - store.jobs.counts()["done"]
    assert repeated <= 2 * kills
