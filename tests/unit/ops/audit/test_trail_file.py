"""The trail as a file: private, whole lines, and renamed by whoever likes."""

import os
import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.audit.syslog_message import AuditAway, Outward
from ops.audit.trail_file import TrailFile


def line(xml: bytes) -> Outward:
    """Return a message."""
    return Outward(at=datetime.now(UTC), pid=1, severity=5, host="h", xml=xml)


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """Whatever the umask is, and also where somebody made it readable for others before."""
    file = tmp_path / "audit" / "trail.log"
    mask = os.umask(0)
    try:
        TrailFile(file).send([line(b"<a/>"), line(b"<b/>")])
        file.chmod(0o644)
        TrailFile(file).send([line(b"<c/>")])
    finally:
        os.umask(mask)
    assert file.read_bytes() == b"<a/>\n<b/>\n<c/>\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_it_may_be_renamed_and_end_in_the_middle(tmp_path: Path) -> None:
    """A file that was moved away is made anew; a line that a power cut left without its end is ended."""
    file = tmp_path / "trail.log"
    trail = TrailFile(file)
    trail.send([line(b"<a/>")])
    file.rename(tmp_path / "trail.log.1")
    trail.send([line(b"<b/>")])
    assert file.read_bytes() == b"<b/>\n"
    file.write_bytes(b"<c")
    trail.send([line(b"<d/>")])
    assert file.read_bytes() == b"<c\n<d/>\n"


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder in its place, a device, a link that somebody put there."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(AuditAway, match="no regular file"):
        TrailFile(pipe).send([line(b"<a/>")])
    with pytest.raises(AuditAway, match="may this user write there"):
        TrailFile(tmp_path).send([line(b"<a/>")])
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditAway):
        TrailFile(link).send([line(b"<a/>")])
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_that_fills_up_leaves_no_half_message(tmp_path: Path) -> None:
    """What was written of a batch is taken back, so that it is whole when there is room."""
    file = tmp_path / "trail.log"
    TrailFile(file).send([line(b"<a/>")])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(AuditAway, match="File too large"):
            TrailFile(file).send([line(b"<b>long</b>")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert file.read_bytes() == b"<a/>\n"
