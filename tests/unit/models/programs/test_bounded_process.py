"""A foreign program ends with its time, with its job, and with the process that runs it."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.errors import RuntimeFailed
from models.programs.bounded_process import folder_of_its_own, run_bounded

#: Runs a program that has started another, until it is killed.
_RUNS = """
import sys
from pathlib import Path
from models.programs.bounded_process import run_bounded
folder = Path(sys.argv[1])
program = "sleep 600 & echo $! > started; sleep 600"
run_bounded(["/bin/sh", "-c", program], folder=folder, time_limit_s=600.0, what="a program")
"""


@pytest.mark.parametrize("status", [0, 3])
def test_a_status_comes_back_and_the_folder_stays(tmp_path: Path, status: int) -> None:
    """What it has left there is looked at by whoever ran it."""
    argv = ["/bin/sh", "-c", f"touch answer; exit {status}"]
    assert run_bounded(argv, folder=tmp_path, time_limit_s=30.0, what="a program") == status
    assert (tmp_path / "answer").exists()


def test_a_program_that_nobody_could_watch_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could outlive this process, with a patient's images; the job is told, and may come again."""
    start = subprocess.Popen

    def without_a_shell(argv: list[str], **options: Any) -> Any:
        if "watch" in argv:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return start(argv, **options)

    monkeypatch.setattr(subprocess, "Popen", without_a_shell)
    with pytest.raises(RuntimeFailed, match="nobody could watch it"):
        run_bounded(["/usr/bin/touch", "started"], folder=tmp_path, time_limit_s=30.0, what="a program")
    assert not (tmp_path / "started").exists()


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """And nobody watches any more; the folder is left to whoever made it."""
    with pytest.raises(RuntimeFailed, match="is /nowhere/program on this machine"):
        run_bounded(["/nowhere/program"], folder=tmp_path, time_limit_s=30.0, what="a program")
    assert tmp_path.exists()


def test_what_may_not_be_removed_is_told_and_the_images_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that runs as root leaves folders that are root's; before, that was told as a disk that refuses."""

    def refused(*_place: object, **_how: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(tempfile.TemporaryDirectory, "_rmtree", refused)
    told = r"a program left in .* may not be removed here \(Operation not permitted\): does its container run as root"
    with pytest.raises(RuntimeFailed, match=told), folder_of_its_own("wetread-", "a program") as folder:
        (folder / "image.dcm").write_bytes(b"a patient's")
    assert not (folder / "image.dcm").exists()


def test_a_program_does_not_outlive_the_process_that_runs_it(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """Who is killed ends nothing any more: another process does, and removes the images that the program was given."""
    folder = tmp_path / "wetread-command"
    folder.mkdir()
    (folder / "00000.dcm").write_bytes(b"images of a patient")
    running = subprocess.Popen([sys.executable, "-c", _RUNS, str(folder)])
    try:
        wait_for(lambda: (folder / "started").exists() and (folder / "started").read_text().strip(), what="the program")
        pid = int((folder / "started").read_text())
    finally:
        running.kill()
        running.wait()
    wait_for(lambda: not folder.exists(), what="the images are gone")
    wait_for(lambda: not _runs(pid), what="the program's child has ended")


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
