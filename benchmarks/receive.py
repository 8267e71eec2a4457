"""Receiving, against DCMTK's storescp, Orthanc and textbook pynetdicom: interleaved, with senders that cost nothing.

    python -m benchmarks.receive [--rounds N] [--quick]

Each case starts its receivers once and lets them take turns. After each turn what was kept is emptied, not removed:
ext4 passes over the inodes of files that were deleted in the last minutes one by one, so whoever writes next would pay
for it; and a virtual machine pays for each page of memory that it touches for the first time, so the cache must not
grow. Figures are milliseconds an instance, the median of the rounds. Where each instance is synced, the disk takes a
turn alone: what a receiver that costs nothing would need.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks import disk_alone, receivers
from benchmarks.blast import Refused, seconds
from benchmarks.endurance import endurance_rows
from benchmarks.raw_sender import Instance
from benchmarks.receivers import Receiver
from benchmarks.record import Row, write
from benchmarks.show import table
from tests.unit.dicom_node.instances import dataset, encode

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
WETREAD, DCMTK, ORTHANC, TEXTBOOK, PLAIN = (
    "wetread",
    "DCMTK storescp",
    "Orthanc",
    "textbook pynetdicom",
    "wetread plain",
)
DISK = "the disk alone"
#: Bytes of pixel data, and how many instances are sent.
SIZES = {"39 kB": (39_000, 300), "527 kB": (525_000, 300), "10 MB": (10_000_000, 24)}
#: How many times the peer's time may be ours.
_MUST_DCMTK = {1: 1 / 0.85, 4: 1 / 0.65, 16: 1 / 0.75}
_MUST_ORTHANC = 1 / 2.5
_MUST_TLS = 1 / 0.6


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is sent to whom.

    Attributes:
        size: A key of `SIZES`.
        associations: At once.
        receivers: Names of those that take turns, ours first.
        fsync: Whether an answer waits for the disk.
        tls: Whether all speak TLS.
        each_its_own: Whether each instance has an association of its own.
    """

    size: str
    associations: int
    receivers: tuple[str, ...]
    fsync: bool = False
    tls: bool = False
    each_its_own: bool = False

    @property
    def name(self) -> str:
        """Return it in words."""
        words = [self.size, f"{self.associations} association{'s' if self.associations > 1 else ''}"]
        words.append("fsync" if self.fsync else "no fsync")
        words += ["TLS"] * self.tls + ["one instance an association"] * self.each_its_own
        return f"C-STORE {', '.join(words)}"


def cases() -> list[Case]:
    """Return them all."""
    found = []
    for size in SIZES:
        for associations in (1, 4, 16):
            without = (WETREAD, DCMTK, TEXTBOOK) if size == "527 kB" else (WETREAD, DCMTK)
            found.append(Case(size=size, associations=associations, receivers=without))
            found.append(Case(size=size, associations=associations, receivers=(WETREAD, ORTHANC), fsync=True))
    found += [
        Case(size="527 kB", associations=associations, receivers=(WETREAD, PLAIN, DCMTK), tls=True)
        for associations in (1, 4, 16)
    ]
    found.append(Case(size="527 kB", associations=4, receivers=(WETREAD, DCMTK), each_its_own=True))
    return found


def instances(size: str, turn: str, most: int | None) -> list[Instance]:
    """Return the instances of a study that no receiver has seen: one a turn."""
    length, count = SIZES[size]
    pixels = os.urandom(length // 2 * 2)
    root = f"2.25.{int.from_bytes(turn.encode()[-12:]) % 10**20}{os.getpid()}"
    made = []
    for number in range(min(count, most or count)):
        sop = f"{root}.{number}"
        values = dataset(SOPInstanceUID=sop, StudyInstanceUID=root, SeriesInstanceUID=f"{root}.1")
        values.PixelData = pixels
        values["PixelData"].VR = "OW"
        made.append(
            Instance(sop_class_uid=CT, sop_instance_uid=sop, transfer_syntax_uid=EXPLICIT, dataset=encode(values))
        )
    return made


def measure(case: Case, rounds: int, scratch: Path, most: int | None = None) -> list[Row]:
    """Return a row for each peer of a case; what they write stays below a new folder of `scratch`."""
    folder, alone = (Path(tempfile.mkdtemp(dir=scratch)) for _ in range(2))
    with ExitStack() as opened:
        running = {name: _started(name, case, folder, opened) for name in case.receivers}
        peers = (*case.receivers[1:], *([DISK] if case.fsync else []))
        taken: dict[str, list[float]] = {name: [] for name in (case.receivers[0], *peers)}
        for turn in range(rounds + 1):
            for name, receiver in running.items():
                sent = instances(case.size, f"{name}{turn}", most)
                door = receiver.door
                try:
                    needed = seconds(door, sent, associations=case.associations, each_its_own=case.each_its_own)
                except Refused as error:
                    raise Refused(f"{name}, {case.name}: {error}") from error
                if turn > 0:  # the first one warms up
                    taken[name].append(1000 * needed / len(sent))
                _empty(receiver.kept)
            if case.fsync:
                kept = instances(case.size, f"disk{turn}", most)
                needed = disk_alone.seconds(alone, kept, writers=case.associations)
                if turn > 0:
                    taken[DISK].append(1000 * needed / len(kept))
                _empty(alone)
    medians = {name: statistics.median(values) for name, values in taken.items()}
    return [
        Row(
            case=case.name,
            unit="ms an instance",
            ours=medians[WETREAD],
            target=medians[peer] * _may_be(case, peer),
            peer=medians[peer],
            peer_name=peer,
        )
        for peer in peers
    ]


def _empty(kept: Path) -> None:
    """Take their contents from the files below a folder, leave the files, and have the disk come to rest."""
    for parent, _, names in os.walk(kept):
        for name in names:
            os.truncate(Path(parent, name), 0)
    os.sync()


def _may_be(case: Case, peer: str) -> float:
    """Return how many times the peer's time may be ours."""
    if peer == ORTHANC:
        return _MUST_ORTHANC
    if peer == PLAIN:
        return _MUST_TLS
    return _MUST_DCMTK[case.associations] if peer == DCMTK else 1.0


def _started(name: str, case: Case, scratch: Path, opened: ExitStack) -> Receiver:
    folder = scratch / name.replace(" ", "-")
    folder.mkdir()
    fsync = "instance" if case.fsync else "off"
    match name:
        case "wetread":
            return opened.enter_context(receivers.wetread(folder, fsync=fsync, tls=case.tls))
        case "wetread plain":
            return opened.enter_context(receivers.wetread(folder, fsync=fsync))
        case "DCMTK storescp":
            return opened.enter_context(receivers.storescp(folder, tls=case.tls))
        case "Orthanc":
            return opened.enter_context(receivers.orthanc(folder, fsync=case.fsync))
        case _:
            return opened.enter_context(receivers.textbook(folder))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write benchmarks/results/receive.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.receive", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="a few instances, one round: does it run?")
    parser.add_argument("--only", default="", help="cases whose name has these words")
    chosen = parser.parse_args(arguments)
    rounds, most = (1, 16) if chosen.quick else (chosen.rounds, None)
    console, rows = Console(), []
    with tempfile.TemporaryDirectory(prefix="wetread-bench-") as scratch:
        for case in cases():
            if chosen.only in case.name:
                console.print(case.name)
                rows += measure(case, rounds, Path(scratch), most)
                console.print(table([row for row in rows if row.case == case.name]))
    if not chosen.only:
        rows += endurance_rows(quick=chosen.quick)
    console.print(table(rows))
    if not (chosen.quick or chosen.only):
        console.print(f"written: {write('receive', rows)}")


if __name__ == "__main__":
    main()
