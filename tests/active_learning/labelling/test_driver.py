"""Labelling with codes that fail, hang and crash, and on full disks: each job gets a label or a reason."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from labelling import add_jobs, faulty

from mlpot.active_learning.config import ExecutorSettings, LabelSettings
from mlpot.active_learning.labelling import driver
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.store.store import Store
from mlpot.errors import StoreError

pytestmark = [pytest.mark.faults]


def run(store, settings, count=2, **executor):
    identity = add_jobs(store, settings, count)
    report = label_waiting(store, settings, ExecutorSettings(**executor))
    assert store.jobs.counts()["running"] == 0
    assert [path.name for path in store.work_folder.iterdir()] == ["workers.log"]
    return report, identity


def reasons(store):
    return [event.message for event in store.history.events() if event.kind in ("failed", "halted", "lost")]


@pytest.mark.parametrize(
    ("factory", "limits", "words"),
    [
        (("invalid", {"kind": "nan"}), {}, "`forces` must be finite"),
        (("invalid", {"kind": "shape"}), {}, "`forces` must have shape"),
        (("invalid", {"kind": "huge"}), {}, "largest_force"),
        (("invalid", {"kind": "text"}), {}, "energy"),
        ("crashing", {}, "SIGSEGV"),
        ("unconverged", {}, "convergence NOT achieved"),
        ("OnlyEnergy", {}, "not implemented"),
    ],
)
def test_failures_have_their_reason(store, factory, limits, words):
    report, _ = run(store, faulty(factory, **limits), count=1)
    assert (report.done, report.failed, report.halted) == (0, 1, None)
    assert words in reasons(store)[0]


def test_fallback_settings_turn_a_failure_into_a_label(store):
    fallback_settings = [{"mixing": 0.3}, {"mixing": 0.05}, {"mixing": 0.01}]
    report, identity = run(store, faulty(("converging", {"mixing": 0.7}), fallback_settings), count=1)
    assert report.done == 1
    (one,) = store.labelled(identity)
    assert one.label.attempt == 2
    assert store.add_settings(faulty(("converging", {"mixing": 0.7})).identity()) == identity
    with tarfile.open(store.raw_folder / one.label.raw_file) as archive:
        assert "attempt-1/outcome.json" in archive.getnames()


def test_a_structure_that_crashes_does_not_stop_the_others(store):
    report, _ = run(store, faulty(("crashing", {"sizes": [8]})), count=4)
    assert (report.done, report.failed) == (2, 2)


def test_a_code_that_hangs_is_killed_with_its_children(store, tmp_path):
    settings = faulty(("hanging", {"pid_file": str(tmp_path / "pids")}), time_limit=2.0)
    report, _ = run(store, settings, count=1)
    assert report.failed == 1
    assert "no result within 2 s" in reasons(store)[0]
    for pid in (tmp_path / "pids").read_text().split():
        assert not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text()


def test_killed_calculations_are_restarted_a_number_of_times(store):
    report, _ = run(store, faulty("killed", max_restarts=3), count=1)
    assert (report.restarted, report.failed) == (3, 1)
    assert "died 3 times" in reasons(store)[-1]
    assert store.jobs.counts()["failed"] == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (LabelSettings(code="no_such_module:make"), "not installed"),
        (faulty(("invalid", {"no_such_parameter": 1})), "rejects its parameters"),
        (
            LabelSettings(
                code="espresso",
                command="no-such-pw.x",
                parameters={"pseudo_dir": ".", "pseudopotentials": {"Cu": "Cu.upf"}, "kpts": None},
            ),
            "no-such-pw.x",
        ),
        (LabelSettings(code="emt", launcher=["no-such-mpiexec", "python"]), "no-such-mpiexec"),
    ],
)
def test_a_missing_code_halts_the_run_and_costs_no_job(store, settings, words):
    report, identity = run(store, settings, count=3)
    assert words in report.halted
    assert store.jobs.counts()["waiting"] == 3
    assert store.jobs.halted(identity)[0] == "unusable"


def test_many_failures_in_a_row_halt_the_run(store):
    report, identity = run(store, faulty("crashing", failures_in_row=2), count=5)
    assert "2 jobs in a row" in report.halted
    assert store.jobs.counts()["waiting"] == 3
    assert store.jobs.retry_failed(identity) == 2


def test_many_restarts_in_a_row_halt_the_run(store):
    report, identity = run(store, faulty("killed", failures_in_row=2, max_restarts=1), count=4)
    assert "2 jobs in a row" in report.halted
    assert (report.restarted, report.failed) == (2, 2)
    assert store.jobs.counts(identity)["waiting"] == 2
    assert store.database.number("SELECT min(seconds) FROM runs") > 0.0


def test_a_launcher_starts_python_for_each_calculation(store):
    report, _ = run(store, LabelSettings(code="emt", launcher=["env", "SOME=1", sys.executable]), count=2)
    assert report.done == 2


def test_a_launcher_that_may_not_be_executed_is_named(store, tmp_path):
    launcher = tmp_path / "mpi.sh"
    launcher.write_text('#!/bin/sh\nexec "$@"\n')
    report, identity = run(store, LabelSettings(code="emt", launcher=[str(launcher), sys.executable]), count=1)
    assert "`launcher` cannot be started" in report.halted
    assert str(launcher) in report.halted
    assert store.jobs.halted(identity)[0] == "unusable"


def test_threads_of_the_code_and_its_libraries_are_set(store, tmp_path):
    run(store, faulty(("threaded", {"log": str(tmp_path / "log")}), threads=3), count=1)
    assert (tmp_path / "log").read_text() == "3 3 3"


def test_a_result_that_cannot_be_stored_is_collected_by_the_next_start(store, monkeypatch):
    settings = LabelSettings(code="emt")
    add_jobs(store, settings, 3)

    def locked(*_):
        raise StoreError("the store is locked")

    with monkeypatch.context() as patch:
        patch.setattr(driver, "collect_result", locked)
        with pytest.raises(StoreError, match="locked"):
            label_waiting(store, settings)
    counts = store.jobs.counts()
    assert (counts["running"], counts["waiting"]) == (1, 2)
    run(store, settings, count=3)
    assert store.jobs.counts()["done"] == 3
    assert store.database.number("SELECT max(run) FROM runs") == 1


def test_outputs_of_an_earlier_failure_do_not_belong_to_the_label(store):
    code = ("converging", {"mixing": 0.7})
    _, identity = run(store, faulty(code), count=1)
    assert store.jobs.retry_failed(identity) == 1
    report, _ = run(store, faulty(code, fallbacks=[{"mixing": 0.05}], keep_outputs=False), count=1)
    assert report.done == 1
    (one,) = store.labelled(identity)
    assert (one.label.raw_file, one.label.raw_sha256) == (None, None)


def test_a_stopped_run_releases_its_jobs(store, tmp_path):
    settings = faulty(("slow", {"log": str(tmp_path / "log"), "seconds": 0.2}))
    add_jobs(store, settings, 6)
    changes = []
    report = label_waiting(store, settings, stop=lambda: len(changes) >= 2, on_change=lambda: changes.append(1))
    assert report.stopped
    assert store.jobs.counts()["running"] == 0
    assert store.jobs.counts()["waiting"] >= 3
    assert label_waiting(store, settings).done + report.done == 6


@pytest.fixture
def small_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], capture_output=True, check=False
    ).returncode:
        pytest.skip("no disk can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_ends_the_run_without_loss(small_disk):
    settings = faulty("filling", keep_outputs=False).model_copy(update={"parameters": {"megabytes": 30}})
    with Store(small_disk / "run.db", create=True) as store:
        add_jobs(store, settings, 3)
        with pytest.raises(StoreError, match="free space"):
            label_waiting(store, settings)
    with Store(small_disk / "run.db") as store:
        assert store.jobs.counts() == {"waiting": 3, "running": 0, "done": 0, "failed": 0}


def test_a_result_that_a_full_disk_refuses_is_collected_later(small_disk):
    settings = LabelSettings(code="emt")
    with Store(small_disk / "run.db", create=True) as store:
        add_jobs(store, settings, 4)
        ballast = small_disk / "ballast"
        with pytest.raises(StoreError, match=r"free space"):
            label_waiting(store, settings, on_change=lambda: fill(ballast))
        done = store.jobs.counts()["done"]
        assert 1 <= done < 4
        ballast.unlink()
    with Store(small_disk / "run.db") as store:
        assert label_waiting(store, settings).done >= 1
        assert store.jobs.counts()["done"] == 4


def fill(path):
    with path.open("ab", buffering=0) as file:
        try:
            for size in (1 << 20, 1 << 12, 1):
                for _ in range(4096):
                    file.write(bytes(size))
        except OSError:
            pass


@pytest.mark.parametrize("relative", [False, True])
def test_a_model_can_compute_labels(store, model_file, monkeypatch, relative):
    from ase import Atoms  # noqa: PLC0415

    monkeypatch.chdir(model_file.parent)
    model = model_file.name if relative else str(model_file)
    settings = LabelSettings(code="mlpot", parameters={"model": model})
    identity = store.add_settings(settings.identity())
    atoms = Atoms("SiO", positions=[[0, 0, 0], [0, 0, 1.6]], cell=[5, 5, 5], pbc=True)
    store.add_jobs([store.add_structure(atoms)], identity)
    assert label_waiting(store, settings).done == 1
    assert str(model_file) not in str(store.database.rows("SELECT content FROM settings")[0][0])
