"""DFT codes and machines on bad days: a clear reason, nothing lost, nothing left running."""

import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from labelling import ask, faulty

from mlpot.active.label.driver import label_waiting
from mlpot.active.settings import ExecutorSettings, LabelSettings, section
from mlpot.active.store import Store
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
    assert (report.lost, report.set_aside) == (3, 0)
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
        section(LabelSettings, {"code": "gpaww"})
    with pytest.raises(ConfigError, match="mixing"):
        section(LabelSettings, {"code": "gpaw", "mixing": 0.1})
    with pytest.raises(ConfigError, match="model"):
        section(LabelSettings, {"code": "mlpot"})


def test_a_model_stands_in_for_dft(store, model_file):
    from ase import Atoms  # noqa: PLC0415

    settings = LabelSettings(code="mlpot", parameters={"model": str(model_file)})
    identity = store.add_settings(settings.identity())
    atoms = Atoms("SiO", positions=[[0, 0, 0], [0, 0, 1.6]], cell=[5, 5, 5], pbc=True)
    store.add_jobs([store.add_structure(atoms)], identity)
    assert label_waiting(store, settings).done == 1
    assert str(model_file) not in str(store.database.rows("SELECT content FROM settings")[0][0])
