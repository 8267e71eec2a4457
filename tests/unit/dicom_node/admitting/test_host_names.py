"""Names of peers become addresses beside the accept path."""

import threading
from collections.abc import Callable

import structlog

from dicom_node.admitting.host_names import EXPIRY_S, HostNames, resolve
from dicom_node.peer_settings import PeerSettings
from dicom_node.testing import ManualClock


def test_a_real_name_has_its_addresses() -> None:
    """The system's resolver gives numeric addresses, each once."""
    assert "127.0.0.1" in resolve("localhost")


def test_an_answer_outlives_an_outage_for_its_time_and_no_longer() -> None:
    """While the name server is away the last addresses count until they expire, and one warning is written."""
    clock, away = ManualClock(), False

    def resolver(_name: str) -> frozenset[str]:
        if away:
            raise OSError("the name server is away")
        return frozenset({"192.0.2.7"})

    names = HostNames(["ct1", "ct1"], resolver=resolver, clock=clock)
    assert names.addresses == {}
    names.refresh()
    away = True
    clock.advance(EXPIRY_S)
    with structlog.testing.capture_logs() as told:
        names.refresh()
        names.refresh()
    assert [(entry["event"], entry["host"]) for entry in told] == [("host name not resolved", "ct1")]
    assert names.addresses == {"ct1": frozenset({"192.0.2.7"})}
    clock.advance(1)
    assert names.addresses == {}


def test_of_peers_only_names_are_asked_for_and_one_process_tells() -> None:
    """Addresses and networks need no name server."""
    peers = [PeerSettings(ae_title="CT1", hosts=("192.0.2.7", "192.0.2.0/24", "ct1.invalid"))]
    with structlog.testing.capture_logs() as told:
        for quiet in (True, False):
            HostNames.of_peers(peers, quiet=quiet).refresh()
    assert [entry["host"] for entry in told] == ["ct1.invalid"]


def test_a_slow_name_server_does_not_keep_anybody_waiting(wait_for: Callable[..., None]) -> None:
    """The addresses can be read while a question is under way."""
    asked, answer = threading.Event(), threading.Event()

    def resolver(name: str) -> frozenset[str]:
        if name == "slow":
            asked.set()
            answer.wait(30)
        return frozenset({"192.0.2.7"})

    names = HostNames(["quick", "slow"], resolver=resolver)
    starting = threading.Thread(target=names.start)
    starting.start()
    assert asked.wait(10)
    assert set(names.addresses) == {"quick"}
    answer.set()
    wait_for(lambda: set(names.addresses) == {"quick", "slow"}, what="the slow answer")
    starting.join()
    names.stop()
