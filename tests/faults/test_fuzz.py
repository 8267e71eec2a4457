"""Wrong streams and wrong datasets by the thousand: a node aborts or refuses, and is afterwards what it was before."""

import os
from collections.abc import Callable
from pathlib import Path

import structlog

from tests.fuzz.instance_case import instance_case
from tests.fuzz.instance_proof import InstanceProof
from tests.fuzz.wire_proof import prove_wire

SEED = int(os.environ.get("WETREAD_SEED", "20260101"))


def test_two_thousand_wrong_streams_cost_a_node_nothing(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """Each is answered or ended; threads, descriptors and memory are what they were; C-ECHO and C-STORE still work."""
    cases, looks = [], []

    def done(count: int, figures: str) -> None:
        cases.append(count)
        looks.extend([figures] * bool(figures))

    prove_wire(tmp_path, free_port(), seed=SEED, numbers=range(2000), look_every=1000, done=done)
    assert (sum(cases), len(looks)) == (2000, 2)


def test_wrong_streams_inside_tls_and_wrong_handshakes_cost_a_node_nothing(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """Four hundred of these streams over mutual TLS, and a hundred handshakes that begin wrong: the same is proven."""
    looks: list[str] = []

    def done(_count: int, figures: str) -> None:
        looks.extend([figures] * bool(figures))

    port, tls_port = free_port(), free_port()
    prove_wire(tmp_path, port, seed=SEED, numbers=range(400), look_every=400, done=done, tls_port=tls_port)
    assert len(looks) == 1


def test_three_thousand_wrong_datasets_are_stored_or_refused_by_name(tmp_path: Path) -> None:
    """Nothing but refusals that have a status comes of them, in little time and memory, and nothing half-written."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    proof = InstanceProof(tmp_path)
    proof.run(instance_case(SEED, number) for number in range(3000))
    assert proof.troubles == []
    assert min(proof.stored, proof.refused) > 300
