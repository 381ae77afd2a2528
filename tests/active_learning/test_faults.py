"""DFT codes and machines on bad days: a clear reason, nothing lost, nothing left running."""

import datetime
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from labelling import ask, faulty, shaken_copper

from mlpot.active_learning.executors.slurm_queue import submit
from mlpot.active_learning.labelling import driver
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.labelling.files import read_json
from mlpot.active_learning.labelling.reference import ReferenceCheck
from mlpot.active_learning.labelling.supervise import perform
from mlpot.active_learning.labelling.task import Task, write_task
from mlpot.active_learning.settings import ExecutorSettings, LabelSettings
from mlpot.active_learning.store.store import Store
from mlpot.config.yaml import validated
from mlpot.errors import ConfigError, StoreError

pytestmark = [pytest.mark.faults]


def run(store, settings, count=2, **executor):
    identity = ask(store, settings, count)
    report = label_waiting(store, settings, ExecutorSettings(**executor))
    assert store.jobs.counts()["running"] == 0
    assert [path.name for path in store.work_folder.iterdir()] == ["workers.log"]
    return report, identity


def reasons(store):
    return [event.message for event in store.history.events() if event.kind in ("set_aside", "halted", "lost")]


@pytest.mark.parametrize(
    ("factory", "limits", "words"),
    [
        (("garbage", {"kind": "nan"}), {}, "`forces` must be finite"),
        (("garbage", {"kind": "shape"}), {}, "`forces` must have shape"),
        (("garbage", {"kind": "huge"}), {}, "largest_force"),
        (("garbage", {"kind": "text"}), {}, "energy"),
        ("crashing", {}, "SIGSEGV"),
        ("silent", {}, "convergence NOT achieved"),
        ("OnlyEnergy", {}, "not implemented"),
    ],
)
def test_failures_are_set_aside_with_their_reason(store, factory, limits, words):
    report, _ = run(store, faulty(factory, **limits), count=1)
    assert (report.done, report.set_aside, report.halted) == (0, 1, None)
    assert words in reasons(store)[0]


def test_the_ladder_leads_from_a_failure_to_a_label(store):
    ladder = [{"mixing": 0.3}, {"mixing": 0.05}, {"mixing": 0.01}]
    report, identity = run(store, faulty(("converging", {"mixing": 0.7}), ladder), count=1)
    assert report.done == 1
    (one,) = store.labelled(identity)
    assert one.label.rung == 2
    assert store.add_settings(faulty(("converging", {"mixing": 0.7})).identity()) == identity
    with tarfile.open(store.raw_folder / one.label.raw_file) as archive:
        assert "rung-1/outcome.json" in archive.getnames()


def test_the_loop_goes_on_beside_a_structure_that_crashes(store):
    report, _ = run(store, faulty(("crashing", {"sizes": [8]})), count=4)
    assert (report.done, report.set_aside) == (2, 2)


def test_a_code_that_hangs_is_ended_with_all_its_children(store, tmp_path):
    settings = faulty(("hanging", {"pid_file": str(tmp_path / "pids")}), time_limit=2.0)
    report, _ = run(store, settings, count=1)
    assert report.set_aside == 1
    assert "no result within 2 s" in reasons(store)[0]
    for pid in (tmp_path / "pids").read_text().split():
        assert not Path(f"/proc/{pid}").exists() or " Z " in Path(f"/proc/{pid}/stat").read_text()


def test_what_the_system_kills_is_done_again_and_set_aside_at_last(store):
    report, _ = run(store, faulty("killed", max_losses=3), count=1)
    assert (report.lost, report.set_aside) == (3, 1)
    assert "vanished 3 times" in reasons(store)[-1]
    assert store.jobs.counts()["set_aside"] == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (LabelSettings(code="no_such_module:make"), "not installed"),
        (faulty(("garbage", {"no_such_parameter": 1})), "refuses its parameters"),
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
    assert store.jobs.retry_set_aside(identity) == 2


def test_jobs_whose_workers_vanish_again_and_again_halt_the_run(store):
    report, identity = run(store, faulty("killed", failures_in_row=2, max_losses=1), count=4)
    assert "2 jobs in a row" in report.halted
    assert (report.lost, report.set_aside) == (2, 2)
    assert store.jobs.counts(identity)["waiting"] == 2
    assert store.database.number("SELECT min(seconds) FROM attempts") > 0.0


def test_a_check_whose_worker_vanishes_again_and_again_halts_the_run(store, tmp_path):
    flag = tmp_path / "flag"
    settings = faulty(("killed", {"flag": str(flag)}), check_every=2, max_losses=2, keep_outputs=False)
    run(store, settings.model_copy(update={"check_every": 0}), count=2)
    flag.touch()
    report, identity = run(store, settings, count=2)
    assert "its worker vanished 2 times" in report.halted
    assert [event.kind for event in store.history.events()] == ["lost", "lost", "halted"]
    flag.unlink()
    assert label_waiting(store, settings).halted is None
    assert store.jobs.halted(identity) is None


@pytest.mark.parametrize(("kind", "left"), [("check", False), ("failures", True)])
def test_a_check_that_passes_ends_the_halt_of_a_check_only(store, kind, left):
    settings = LabelSettings(code="emt", keep_outputs=False)
    _, identity = run(store, settings, count=1)
    check = ReferenceCheck(store, settings, identity, store.jobs.begin_session())
    perform(check.prepare())
    store.jobs.halt(identity, kind, "a reason")
    assert check.conclude().state == "done"
    assert (store.jobs.halted(identity) is not None) == left


def test_failures_do_not_hide_a_check_that_failed(store):
    """A new start lets failed jobs go on, but not labels that have another energy scale."""
    settings = LabelSettings(code="emt", keep_outputs=False)
    identity = store.add_settings(settings.identity())
    store.jobs.halt(identity, "failures", "first")
    store.jobs.halt(identity, "check", "second")
    store.jobs.halt(identity, "failures", "third")
    assert store.jobs.halted(identity) == ("check", "second")
    store.jobs.halt(identity, "check", "fourth")
    assert store.jobs.halted(identity) == ("check", "fourth")


def test_two_drivers_check_in_folders_of_their_own(store):
    settings = LabelSettings(code="emt", keep_outputs=False)
    _, identity = run(store, settings, count=1)
    first, second = (ReferenceCheck(store, settings, identity, store.jobs.begin_session()) for _ in range(2))
    perform(first.prepare())
    second.prepare()
    assert first.conclude().state == "done"
    assert second.folder.exists()
    store.jobs.end_session(second.session)
    first.prepare()
    assert not second.folder.exists()


def test_a_changed_setting_is_caught_and_mended(store, tmp_path):
    offset = tmp_path / "offset"
    offset.write_text("0.0")
    settings = faulty(("shifted", {"offset_file": str(offset)}), check_every=4)
    report, identity = run(store, settings, count=4)
    assert report.halted is None
    offset.write_text("0.01")
    ask(store, settings, 12, seed=100)
    report = label_waiting(store, settings)
    assert "0.01 eV/atom" in report.halted
    assert report.done <= 5
    assert label_waiting(store, settings).done == 0
    assert store.jobs.halted(identity)[0] == "check"
    offset.write_text("0.0")
    assert label_waiting(store, settings).halted is None
    assert store.jobs.counts()["done"] == 16


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


def test_a_code_and_its_libraries_take_as_many_threads_as_they_may(store, tmp_path):
    run(store, faulty(("threaded", {"log": str(tmp_path / "log")}), threads=3), count=1)
    assert (tmp_path / "log").read_text() == "3 3 3"


def test_a_finished_label_that_cannot_be_taken_in_waits_for_the_next_start(store, monkeypatch):
    settings = LabelSettings(code="emt")
    ask(store, settings, 3)

    def locked(*_):
        raise StoreError("the store is locked")

    with monkeypatch.context() as patch:
        patch.setattr(driver, "take_in", locked)
        with pytest.raises(StoreError, match="locked"):
            label_waiting(store, settings)
    counts = store.jobs.counts()
    assert (counts["running"], counts["waiting"]) == (1, 2)
    run(store, settings, count=3)
    assert store.jobs.counts()["done"] == 3
    assert store.database.number("SELECT max(attempt) FROM attempts") == 1


def test_outputs_of_an_earlier_failure_are_not_taken_for_those_of_the_label(store):
    code = ("converging", {"mixing": 0.7})
    _, identity = run(store, faulty(code), count=1)
    assert store.jobs.retry_set_aside(identity) == 1
    report, _ = run(store, faulty(code, ladder=[{"mixing": 0.05}], keep_outputs=False), count=1)
    assert report.done == 1
    (one,) = store.labelled(identity)
    assert (one.label.raw_file, one.label.raw_sha256) == (None, None)


def test_a_job_of_slurm_finds_modules_where_the_driver_stands(tmp_path, monkeypatch):
    place, commands = tmp_path / "project", tmp_path / "bin"
    place.mkdir()
    commands.mkdir()
    (place / "own_code.py").write_text("from ase.calculators.emt import EMT\n")
    sbatch = commands / "sbatch"
    sbatch.write_text(f"#!/bin/sh\ncat > {tmp_path}/script\necho 7\n")
    sbatch.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.chdir(place)
    folder = tmp_path / "task"
    write_task(folder, Task(shaken_copper(1)[0], LabelSettings(code="own_code:EMT", keep_outputs=False)))
    assert submit(folder, ExecutorSettings(kind="slurm")) == "7"
    subprocess.run(["bash", tmp_path / "script"], cwd=folder, check=True)
    assert read_json(folder / "result.json")["state"] == "done"


def test_a_stopped_run_gives_back_and_goes_on(store, tmp_path):
    settings = faulty(("slow", {"log": str(tmp_path / "log"), "seconds": 0.2}))
    ask(store, settings, 6)
    changes = []
    report = label_waiting(store, settings, stop=lambda: len(changes) >= 2, on_change=lambda: changes.append(1))
    assert report.stopped
    assert store.jobs.counts()["running"] == 0
    assert store.jobs.counts()["waiting"] >= 3
    assert label_waiting(store, settings).done + store_done(report) == 6


def store_done(report):
    return report.done


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


def test_a_full_disk_stops_the_run_and_loses_nothing(small_disk):
    settings = faulty("filling", keep_outputs=False).model_copy(update={"parameters": {"megabytes": 30}})
    with Store(small_disk / "run.db", create=True) as store:
        ask(store, settings, 3)
        with pytest.raises(StoreError, match="free space"):
            label_waiting(store, settings)
    with Store(small_disk / "run.db") as store:
        assert store.jobs.counts() == {"waiting": 3, "running": 0, "done": 0, "set_aside": 0}


def test_a_store_on_a_full_disk_says_so_and_takes_the_result_in_later(small_disk):
    settings = LabelSettings(code="emt")
    with Store(small_disk / "run.db", create=True) as store:
        ask(store, settings, 4)
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


def test_sections_of_yaml_are_checked():
    with pytest.raises(ConfigError, match="code"):
        validated(LabelSettings, {"code": "gpaww"})
    with pytest.raises(ConfigError, match="mixing"):
        validated(LabelSettings, {"code": "gpaw", "mixing": 0.1})
    with pytest.raises(ConfigError, match="model"):
        validated(LabelSettings, {"code": "mlpot"})


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"setups": {"base": "recommended", 4: "_s"}}, "setups.4: expected a key that is text, got 4: write '4'"),
        ({"start": datetime.date(2024, 1, 1)}, "start: expected text, a number, .* got the date 2024-01-01"),
        ({"mixer": [{"beta": float("nan")}]}, "mixer.0.beta: expected a finite number, got nan"),
    ],
)
def test_parameters_that_the_store_would_change_are_named(parameters, words):
    with pytest.raises(ConfigError, match=words):
        validated(LabelSettings, {"code": "emt", "parameters": parameters})
    with pytest.raises(ConfigError, match=words):
        validated(LabelSettings, {"code": "emt", "ladder": [parameters]})


@pytest.mark.parametrize("relative", [False, True])
def test_a_model_stands_in_for_dft(store, model_file, monkeypatch, relative):
    from ase import Atoms  # noqa: PLC0415

    monkeypatch.chdir(model_file.parent)
    model = model_file.name if relative else str(model_file)
    settings = LabelSettings(code="mlpot", parameters={"model": model})
    identity = store.add_settings(settings.identity())
    atoms = Atoms("SiO", positions=[[0, 0, 0], [0, 0, 1.6]], cell=[5, 5, 5], pbc=True)
    store.add_jobs([store.add_structure(atoms)], identity)
    assert label_waiting(store, settings).done == 1
    assert str(model_file) not in str(store.database.rows("SELECT content FROM settings")[0][0])
