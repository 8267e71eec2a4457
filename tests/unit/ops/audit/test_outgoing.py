"""Messages on their way: private, in order, bounded, sent by one process."""

import os
import socket
from pathlib import Path

import pytest

from ops.audit.outgoing import Outgoing, OutgoingFull


def test_a_message_is_there_until_it_is_removed(tmp_path: Path) -> None:
    """Under a name that says when, by whom and how severe; for its owner's eyes only, whatever the umask is."""
    mask = os.umask(0)
    try:
        outgoing = Outgoing(tmp_path / "audit" / "outgoing", max_bytes=1000)
        for number in range(20):
            outgoing.put(b"<%d/>" % number, severity=5)
    finally:
        os.umask(mask)
    waiting = outgoing.waiting()
    assert [one.file.read_bytes() for one in waiting] == [b"<%d/>" % number for number in range(20)]
    assert {(one.pid, one.severity, one.file.stat().st_mode & 0o777) for one in waiting} == {(os.getpid(), 5, 0o600)}
    assert outgoing.folder.stat().st_mode & 0o777 == 0o700
    assert outgoing.figures().waiting == 20


def test_too_much_is_refused_until_there_is_room(tmp_path: Path) -> None:
    """The bound counts what other processes have written and sent, as of the last ten seconds."""
    now = [0.0]
    first, second = (Outgoing(tmp_path, max_bytes=100, monotonic=lambda: now[0]) for _ in range(2))
    first.put(b"x" * 60, severity=5)
    second.put(b"x" * 40, severity=5)
    with pytest.raises(OutgoingFull, match="100 bytes"):
        second.put(b"x", severity=5)
    for waiting in first.waiting():
        waiting.file.unlink()
    now[0] += 11
    second.put(b"x" * 100, severity=5)


def test_one_process_sends(tmp_path: Path) -> None:
    """Who comes second may not, until the first is gone."""
    one, other = Outgoing(tmp_path, max_bytes=100), Outgoing(tmp_path, max_bytes=100)
    with one.sole_sender() as first, other.sole_sender() as second:
        assert (first, second) == (True, False)
    with other.sole_sender() as second:
        assert second


def test_what_a_dead_process_left_half_written_is_removed(tmp_path: Path) -> None:
    """What a living one writes just now stays, and for a day what another machine writes; none is ever sent."""
    outgoing = Outgoing(tmp_path, max_bytes=100)
    here = socket.gethostname()
    names = [f"999999999-0-5@{here}", f"{os.getpid()}-0-5@{here}", "999999999-0-5@other", "999999999-1-5@other"]
    dead, living, elsewhere, forsaken = parts = [tmp_path / f"{0:020d}-{name}.part" for name in names]
    for part in parts:
        part.touch()
    os.utime(forsaken, (0, 0))
    outgoing.remove_partials()
    assert set(tmp_path.glob("*.part")) == {living, elsewhere}
    assert not dead.exists()
    assert outgoing.waiting() == []


def test_what_somebody_else_has_put_there_stays_and_stops_nobody(tmp_path: Path) -> None:
    """Such as a copy that a person made: the sender looks here before it sends."""
    strange = {tmp_path / name for name in ("copy.part", "a-b.part", "a-b-c.part")}
    for file in strange:
        file.touch()
        os.utime(file, (0, 0))
    Outgoing(tmp_path, max_bytes=100).remove_partials()
    assert set(tmp_path.iterdir()) == strange


def test_figures_are_of_all_processes(tmp_path: Path) -> None:
    """What waits, since when, and how much was lost by each; nothing where there is no folder yet."""
    assert Outgoing(tmp_path / "none", max_bytes=1).figures().waiting == 0
    outgoing = Outgoing(tmp_path, max_bytes=100)
    outgoing.put(b"x", severity=5)
    outgoing.note_lost("node", 2)
    outgoing.note_lost("node", 3)
    outgoing.note_lost("deliver", 1)
    figures = outgoing.figures()
    assert (figures.waiting, figures.lost) == (1, 6)
    assert 0 <= figures.oldest_s < 60
