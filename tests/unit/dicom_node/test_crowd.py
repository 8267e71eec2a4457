"""Connections are counted before anybody knows what they want."""

import structlog.testing

from dicom_node.crowd import Crowd


def test_beyond_the_most_nobody_enters_and_it_is_told_once() -> None:
    """Those on their way in count, and those that are in."""
    running = [1]
    crowd = Crowd(3, lambda: running[0])
    with structlog.testing.capture_logs() as told:
        assert [crowd.enter("192.0.2.1") for _ in range(4)] == [True, True, False, False]
        crowd.entered()
        running[0] += 1
        assert not crowd.enter("192.0.2.1")
        assert [line["event"] for line in told] == ["connections closed, too many are open"]
        running[0] = 0
        assert crowd.enter("192.0.2.1")
        assert [line["event"] for line in told[1:]] == ["connections are taken again"]


def test_the_fuller_a_process_the_longer_it_lets_others_accept_first() -> None:
    """Where there are others, and never for long."""
    running = [0]
    crowd = Crowd(99, lambda: running[0], shares_port=True)
    waits = []
    for running[0] in (0, 1, 5, 50, 90):
        waits.append(crowd.deference_s)
    assert waits[0] == 0.0
    assert waits == sorted(waits)
    assert waits[1] < waits[2] < waits[3] == waits[4] < 0.01
    running[0] = 99  # who is full only closes
    assert crowd.deference_s == 0.0
    running[0] = 0
    assert crowd.enter("192.0.2.1")
    assert crowd.deference_s == waits[1]
    assert Crowd(99, lambda: 5).deference_s == 0.0
