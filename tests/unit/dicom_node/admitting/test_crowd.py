"""Connections are counted before anybody knows what they want."""

import pytest
import structlog.testing

from dicom_node.admitting.crowd import FOR_STRANGERS, Crowd, Place, may_wait, place_of

PACS = "192.0.2.1"


def places(count: int, address: str = PACS, *, first: int = 1) -> list[Place]:
    """Return so many connections of an address."""
    return [(address, port) for port in range(first, first + count)]


def entered(crowd: Crowd, connections: list[Place]) -> int:
    """Return how many of these come in."""
    return sum([crowd.enter(place) for place in connections])


def test_beyond_the_most_nobody_enters_and_it_is_told_once() -> None:
    """Those on their way in count, and those that are in; who is both counts once."""
    running = {(PACS, 90): True}
    crowd = Crowd(3, lambda: running)
    callers = [place for host in range(2, 6) for place in places(1, f"192.0.2.{host}")]
    with structlog.testing.capture_logs() as told:
        assert [crowd.enter(place) for place in callers] == [True, True, False, False]
        running[callers[0]] = False
        crowd.entered(callers[0])
        assert not crowd.enter(callers[2])
        assert [line["event"] for line in told] == ["connections closed, too many are open"]
        running.clear()
        assert crowd.enter(callers[2])
        assert [line["event"] for line in told[1:]] == ["connections are taken again"]


def test_the_fuller_a_process_the_longer_it_lets_others_accept_first() -> None:
    """Where there are others, and never for long."""
    running: dict[Place, bool] = {}
    crowd = Crowd(99, lambda: running, shares_port=True)
    waits = []
    for count in (0, 1, 5, 50, 90):
        running = dict.fromkeys(places(count), True)
        waits.append(crowd.deference_s)
    assert waits[0] == 0.0
    assert waits == sorted(waits)
    assert waits[1] < waits[2] < waits[3] == waits[4] < 0.01
    running = dict.fromkeys(places(99), True)  # who is full only closes
    assert crowd.deference_s == 0.0
    running = {}
    assert crowd.enter((PACS, 1))
    assert crowd.deference_s == waits[1]
    assert Crowd(99, lambda: dict.fromkeys(places(5), True)).deference_s == 0.0


def test_one_address_alone_does_not_have_all_places() -> None:
    """Whether its connections are on their way in (a handshake) or silent; another enters, and it is told once."""
    running: dict[Place, bool] = {}
    crowd = Crowd(80, lambda: running)
    with structlog.testing.capture_logs() as told:
        assert entered(crowd, places(200)) == 40
        running = dict.fromkeys(places(40), False)
        for place in running:
            crowd.entered(place)
        assert entered(crowd, places(200, first=300)) == 0
        assert entered(crowd, places(16, "192.0.2.2")) == 16
    assert [(line["event"], line["address"]) for line in told] == [
        ("connections closed, too many of one address wait", PACS)
    ]
    running = {}
    assert crowd.enter((PACS, 999))


def test_strangers_together_leave_places_to_those_who_may_call() -> None:
    """However many addresses they have; it is told once, and each of the first few gets a place, to be told why not."""
    running: dict[Place, bool] = {}
    crowd = Crowd(80, lambda: running, strange=lambda address: address != PACS)
    with structlog.testing.capture_logs() as told:
        shares = [entered(crowd, places(10, f"192.0.2.{host}")) for host in range(2, 100)]
        assert (sum(shares), shares[0]) == (FOR_STRANGERS, 10)
        assert sum(share > 0 for share in shares) >= 4
        assert entered(crowd, places(16)) == 16
        running = dict.fromkeys(places(16), True)
        for place in running:
            crowd.entered(place)
        assert entered(crowd, places(16, first=100)) == 16
    assert [line["event"] for line in told] == ["connections of strangers closed, too many wait"]
    assert told[0]["remedy"]


def test_strangers_that_have_gone_have_no_place() -> None:
    """Nor has one that the node has let in all the same, to ask C-ECHO."""
    running: dict[Place, bool] = {}
    crowd = Crowd(80, lambda: running, strange=lambda _: True)
    held = [place for host in range(2, 40) for place in places(10, f"192.0.2.{host}") if crowd.enter(place)]
    assert not crowd.enter(("192.0.2.99", 1))
    running = dict.fromkeys(held[:5], True)
    for place in held[:20]:
        crowd.entered(place)
    assert entered(crowd, places(40, "192.0.2.99")) > 0


def test_associations_are_nobodys_share() -> None:
    """A PACS, or all that call through one address, may have every association that the node takes, and open more."""
    running = dict.fromkeys(places(16), True)
    assert entered(Crowd(80, lambda: running), places(16, first=100)) == 16


@pytest.mark.parametrize("most_associations", [1, 16, 17, 64, 100, 1024])
def test_as_many_as_the_node_takes_may_come_at_once(most_associations: int) -> None:
    """From one address, with sixteen that are rejected and told so; whatever has become an association by then."""
    places_of_node = most_associations + 64
    for inside in range(most_associations + 1):
        waiting = most_associations - inside + 15
        assert may_wait(of_address=waiting, of_others=0, places=places_of_node - inside)


@pytest.mark.parametrize("places_of_node", [65, 80, 128, 1088])
def test_every_further_address_finds_a_part_of_the_rest(places_of_node: int) -> None:
    """However much the ones before it took: half of it, or all but 48."""
    taken, shares = 0, []
    for _ in range(4):
        share = 0
        while may_wait(of_address=share, of_others=taken, places=places_of_node):
            share += 1
        shares.append(share)
        taken += share
    assert min(shares) >= 3
    assert shares[1] >= 16
    assert taken < places_of_node


def test_a_place_is_the_callers_however_the_socket_shows_it() -> None:
    """IPv4 on a socket for both families, a zone, and what is no address at all."""
    assert place_of(("::ffff:192.0.2.1", 7, 0, 0)) == place_of(("192.0.2.1", 7)) == ("192.0.2.1", 7)
    assert place_of(("fe80::1%eth0", 7, 0, 2)) == ("fe80::1", 7)
    assert place_of(("somewhere", 7)) == ("somewhere", 7)
