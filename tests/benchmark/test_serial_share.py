"""The work of an evaluation outside of its threads."""

from serial_share import measure


def test_most_work_is_in_the_threads():
    total, serial = measure("fast", 4096, 8, evaluations=10)
    assert total > 0.0
    assert abs(serial) < 0.1 * total  # all of it if nothing were divided
