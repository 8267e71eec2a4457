"""`python -m tests.fuzz`: many wrong streams for a node, plain and inside TLS, many wrong datasets; or one again."""

import argparse
import os
import secrets
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import structlog
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.fuzz.handshake_case import handshake_case
from tests.fuzz.instance_case import instance_case
from tests.fuzz.instance_proof import InstanceProof
from tests.fuzz.wire_case import wire_case
from tests.fuzz.wire_proof import Findings, prove_wire

CASES = 100_000
_LOOK_EVERY, _STEP = 5000, 1000

#: Told how many cases more are done, and what there is to say, if anything.
Done = Callable[[int, str], None]


def main() -> int:
    """Run what the command line says; return 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kind", choices=[*KINDS, "all"], nargs="?", default="all")
    parser.add_argument("--seed", type=int, help="by default WETREAD_SEED, or another each time")
    parser.add_argument("--case", type=int, help="run this one alone, and show it")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--cases", type=int, default=CASES, help=f"how many of each kind, by default {CASES}")
    chosen = parser.parse_args()
    seed = chosen.seed if chosen.seed is not None else int(os.environ.get("WETREAD_SEED") or secrets.randbelow(1 << 31))
    numbers = range(chosen.first, chosen.first + chosen.cases)
    if chosen.case is not None:
        numbers = range(chosen.case, chosen.case + 1)
    print(f"seed {seed}")  # noqa: T201  # a command line talks
    # pydicom warns of much of it, and the node's own events are of cases that are wrong on purpose.
    warnings.simplefilter("ignore")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    found = False
    for kind in KINDS if chosen.kind == "all" else [chosen.kind]:
        if chosen.case is not None:
            print(SHOWN[kind](seed, chosen.case))  # noqa: T201
        try:
            _with_progress(kind, seed, numbers)
        except Findings as findings:
            found = True
            print(f"{findings}\n\none again: python -m tests.fuzz {kind} --seed {seed} --case NUMBER")  # noqa: T201
    return int(found)


def _with_progress(kind: str, seed: int, numbers: range) -> None:
    shown = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*shown, TimeRemainingColumn()) as progress, tempfile.TemporaryDirectory() as folder:
        task = progress.add_task(kind, total=len(numbers))

        def done(cases: int, figures: str) -> None:
            progress.update(task, advance=cases, **({"description": f"{kind}: {figures}"} if figures else {}))
            # A log has no bar.
            if figures and not progress.console.is_terminal:
                print(f"{kind}: {progress.tasks[task].completed:.0f} of {len(numbers)}; {figures}", flush=True)  # noqa: T201

        KINDS[kind](Path(folder), seed, numbers, done)


def _wire(folder: Path, seed: int, numbers: range, done: Done) -> None:
    port, _ = _free_ports()
    prove_wire(folder, port, seed=seed, numbers=numbers, look_every=_LOOK_EVERY, done=done)


def _instances(folder: Path, seed: int, numbers: range, done: Done) -> None:
    proof = InstanceProof(folder)
    for start in range(numbers.start, numbers.stop, _STEP):
        part = range(start, min(start + _STEP, numbers.stop))
        proof.run(instance_case(seed, number) for number in part)
        done(len(part), f"{proof.stored} stored, {proof.refused} refused, slowest {proof.slowest_s:.2f} s")
        if proof.troubles:
            raise Findings("\n".join(proof.troubles))


def _inside_tls(folder: Path, seed: int, numbers: range, done: Done) -> None:
    port, tls_port = _free_ports()
    prove_wire(folder, port, seed=seed, numbers=numbers, look_every=_LOOK_EVERY, done=done, tls_port=tls_port)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1]), int(other.getsockname()[1])


KINDS: dict[str, Callable[[Path, int, range, Done], None]] = {
    "wire": _wire,
    "tls": _inside_tls,
    "instance": _instances,
}
SHOWN: dict[str, Callable[[int, int], object]] = {
    "wire": wire_case,
    "tls": lambda seed, number: (handshake_case(seed, number), wire_case(seed, number)),
    "instance": instance_case,
}

if __name__ == "__main__":
    sys.exit(main())
