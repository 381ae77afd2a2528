"""Identity of processes."""

from mlpot.active_learning.store.process_identity import ProcessIdentity


def test_a_process_of_another_boot_is_unknown():
    me = ProcessIdentity.current()
    assert me.liveness() == "alive"
    assert ProcessIdentity(me.host, me.boot, me.pid, me.started + 1).liveness() == "dead"
    assert ProcessIdentity(me.host, "another", me.pid, me.started).liveness() == "unknown"
