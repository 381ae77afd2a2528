"""The check that repeats a known calculation."""

import pytest
from labelling import add_jobs, faulty

from mlpot.active_learning.calculation.perform import perform
from mlpot.active_learning.config import ExecutorSettings, LabelSettings
from mlpot.active_learning.labelling.driver import label_waiting
from mlpot.active_learning.labelling.reference_check import ReferenceCheck

pytestmark = pytest.mark.faults


def run(store, settings, count=2, **executor):
    identity = add_jobs(store, settings, count)
    report = label_waiting(store, settings, ExecutorSettings(**executor))
    assert store.jobs.counts()["running"] == 0
    assert [path.name for path in store.work_folder.iterdir()] == ["workers.log"]
    return report, identity


def test_a_check_whose_worker_dies_repeatedly_halts_the_run(store, tmp_path):
    flag = tmp_path / "flag"
    settings = faulty(("killed", {"flag": str(flag)}), check_every=2, max_restarts=2, keep_outputs=False)
    run(store, settings.model_copy(update={"check_every": 0}), count=2)
    flag.touch()
    report, identity = run(store, settings, count=2)
    assert "its worker died 2 times" in report.halted
    assert [event.kind for event in store.history.events()] == ["restarted", "restarted", "halted"]
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


def test_other_halts_do_not_replace_that_of_a_check(store):
    """A new start ends a halt after failures, but not one after a changed energy."""
    settings = LabelSettings(code="emt", keep_outputs=False)
    identity = store.add_settings(settings.identity())
    store.jobs.halt(identity, "failures", "first")
    store.jobs.halt(identity, "check", "second")
    store.jobs.halt(identity, "failures", "third")
    assert store.jobs.halted(identity) == ("check", "second")
    store.jobs.halt(identity, "check", "fourth")
    assert store.jobs.halted(identity) == ("check", "fourth")


def test_each_driver_checks_in_its_own_folder(store):
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


def test_a_changed_energy_halts_the_run_until_it_is_restored(store, tmp_path):
    offset = tmp_path / "offset"
    offset.write_text("0.0")
    settings = faulty(("shifted", {"offset_file": str(offset)}), check_every=4)
    report, identity = run(store, settings, count=4)
    assert report.halted is None
    offset.write_text("0.01")
    add_jobs(store, settings, 12, seed=100)
    report = label_waiting(store, settings)
    assert "0.01 eV/atom" in report.halted
    assert report.done <= 5
    assert label_waiting(store, settings).done == 0
    assert store.jobs.halted(identity)[0] == "check"
    offset.write_text("0.0")
    assert label_waiting(store, settings).halted is None
    assert store.jobs.counts()["done"] == 16
