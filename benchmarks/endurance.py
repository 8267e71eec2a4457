"""What receiving costs in memory: one huge instance, many senders at once, very many instances."""

import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import receivers
from benchmarks.blast import seconds
from benchmarks.raw_sender import Instance, RawAssociation, encode
from benchmarks.receivers import Receiver
from benchmarks.record import Row, peak_gib, resident_mb
from tests.faults.wire_bytes import DATA, LAST, pdu, pdv
from tests.stack import tree
from tests.unit.dicom_node.instances import dataset
from tests.unit.dicom_node.instances import encode as encode_dataset

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
_MOST_MB = 150.0
_MB_A_GIB = 1073.741824
_ASSOCIATIONS = 16
_SETTLES_WITHIN_S = 20.0
#: How many more of what is counted may be there afterwards; the first instances fill caches of a bounded size.
_MORE_MB, _MORE_THINGS = 10.0, 0.0


def endurance_rows(*, quick: bool) -> list[Row]:
    """Return memory, threads and descriptors of receiving processes under what is heavy."""
    huge_bytes, many = (50 << 20, 400) if quick else (2 << 30, 100_000)
    with (
        tempfile.TemporaryDirectory(prefix="wetread-bench-") as scratch,
        receivers.wetread(Path(scratch), fsync="off") as receiver,
    ):
        _send_huge(receiver, huge_bytes)
        rows = [_peak(f"an instance of {huge_bytes >> 20} MiB", receiver)]
        seconds(receiver.door, _small(64, 525_000), associations=_ASSOCIATIONS)
        rows.append(_peak(f"{_ASSOCIATIONS} associations at once", receiver))
        before = _settled(receiver)
        for batch in range(0, many, 5000):
            seconds(receiver.door, _small(min(5000, many), 2_000, batch), associations=4)
        after = _settled(receiver)
    names = {"resident memory": ("MB", _MORE_MB), "threads": ("threads", _MORE_THINGS), "descriptors": ("", 0.0)}
    for name, (unit, more) in names.items():
        case = f"{name} after {many} instances"
        rows.append(Row(case=case, unit=unit, ours=after[name], target=before[name] + more))
    return rows


def _peak(what: str, receiver: Receiver) -> Row:
    peak = max(peak_gib(pid) * _MB_A_GIB for pid in _receiving(receiver))
    return Row(case=f"peak memory of a receiving process, {what}", unit="MB", ours=peak, target=_MOST_MB)


def _receiving(receiver: Receiver) -> list[int]:
    return [pid for pid in tree(receiver.process.pid) if pid != receiver.process.pid]


def _settled(receiver: Receiver) -> dict[str, float]:
    """Return what is counted when the last associations are over and their threads have ended."""
    deadline = time.monotonic() + _SETTLES_WITHIN_S
    counted = _counted(receiver)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        before, counted = counted, _counted(receiver)
        if before == counted:
            break
    return counted


def _counted(receiver: Receiver) -> dict[str, float]:
    pids = _receiving(receiver)
    return {
        "resident memory": max(resident_mb(pid) for pid in pids),
        "threads": float(sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids)),
        "descriptors": float(sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)),
    }


def _small(count: int, length: int, first: int = 0) -> list[Instance]:
    made = []
    for number in range(first, first + count):
        sop = f"2.25.88{length}.{number}"
        values = dataset(
            SOPInstanceUID=sop, StudyInstanceUID=f"2.25.88{length}.{first}", SeriesInstanceUID=f"2.25.881.{first}"
        )
        values.PixelData = bytes(length)
        values["PixelData"].VR = "OW"
        made.append(
            Instance(
                sop_class_uid=CT, sop_instance_uid=sop, transfer_syntax_uid=EXPLICIT, dataset=encode_dataset(values)
            )
        )
    return made


def _send_huge(receiver: Receiver, length: int) -> None:
    """Send an enhanced multi-frame instance that never is in memory as a whole."""
    sop = "2.25.99.1"
    values = dataset(
        SOPClassUID=ENHANCED_CT, SOPInstanceUID=sop, StudyInstanceUID="2.25.99", SeriesInstanceUID="2.25.98"
    )
    head = encode_dataset(values) + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, length)
    start = Instance(sop_class_uid=ENHANCED_CT, sop_instance_uid=sop, transfer_syntax_uid=EXPLICIT, dataset=head)
    with socket.create_connection(("127.0.0.1", receiver.door.port)) as connection:
        association = RawAssociation(connection, called=receiver.door.called, calling="HUGE", of=start)
        for piece in _pieces(start, length, association.longest_pdu):
            connection.sendall(piece)
        status = association.answer()
        association.release()
    if status != 0:
        raise RuntimeError(f"the huge instance was answered {status:04X}")


def _pieces(start: Instance, length: int, longest_pdu: int) -> Iterator[bytes]:
    """Yield the request's PDUs: all but the last say that more follows."""
    opening = bytearray(encode(start, 1, longest_pdu))
    # The header's PDU is the message's last one as it was encoded; now the pixels follow.
    opening[-(len(start.dataset) + 1)] = 0x00
    yield bytes(opening)
    step = longest_pdu - 6
    block = bytes(step)
    for sent in range(0, length, step):
        body = block[: min(step, length - sent)]
        yield pdu(DATA, pdv(body, control=LAST if sent + step >= length else 0))
