"""A foreign program with limits: no shell, a scrubbed environment, a process group that ends with its time."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from models.errors import RuntimeFailed

#: What a foreign program sees of our environment: no secret of ours is among it.
_PASSED_ON = (
    "PATH",
    "LANG",
    "LC_ALL",
    "HOME",
    "TMPDIR",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "DOCKER_HOST",
    "ORT_DISABLE_TELEMETRY",
)
#: Takes the number of a process group, then waits for a line, which a process that is killed never writes. Who is
#: being killed may still make a file.
_WATCH = 'read -r group; read -r _ || { kill -KILL "-$group"; rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }; }'


@contextlib.contextmanager
def folder_of_its_own(prefix: str, what: str) -> Iterator[Path]:
    """Give a new folder for a program's input and answer, and remove it with all that the program has left in it.

    Raises RuntimeFailed where not all of it may be removed; what may be is, since it may hold a patient's images.
    """
    place = tempfile.TemporaryDirectory(prefix=prefix)
    try:
        yield Path(place.name)
    finally:
        try:
            place.cleanup()
        except OSError as error:
            shutil.rmtree(place.name, ignore_errors=True)
            raise RuntimeFailed(
                f"{what} left in {place.name} what may not be removed here ({error.strerror}): does its container run "
                "as root? Let it run as the user of this process (--user), and remove the folder"
            ) from error


def run_bounded(argv: Sequence[str], *, folder: Path, time_limit_s: float, what: str, loud: bool = False) -> int:
    """Run a program to its end and return its exit status, negative for a signal.

    Its output is thrown away, since it may name a patient; a person who runs it by hand may see it. Where this process
    is killed meanwhile, the program is too, and its folder is removed, since it may hold a patient's images.

    Args:
        argv: The program and its arguments.
        folder: Its working directory, made for it alone.
        time_limit_s: Then it and all that it started are killed.
        what: Its name in messages.
        loud: Whether its output goes to ours.

    Raises RuntimeFailed when it cannot be started or takes too long.
    """
    environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    output = None if loud else subprocess.DEVNULL
    # First, so that there is no time in which nobody would end the program.
    with _watch(folder, what) as tell:
        try:
            process = subprocess.Popen(  # noqa: S603  # the card's author names it, and the site has installed it
                list(argv),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        except OSError as error:
            cause = f"({error.strerror}): is {argv[0]} on this machine?"
            raise RuntimeFailed(f"{what} cannot be started {cause}") from error
        try:
            tell(process.pid)
            return process.wait(timeout=time_limit_s)
        except subprocess.TimeoutExpired as error:
            raise RuntimeFailed(f"{what} took longer than its {time_limit_s:g} s and was ended") from error
        finally:
            # Also what it left running: nothing of a model outlives its job.
            _end_group(process)


def ended(what: str, status: int) -> RuntimeFailed:
    """Return the error for a program that ended badly."""
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        how = f"was ended by {name}"
    else:
        how = f"ended with status {status}"
    return RuntimeFailed(f"{what} {how}; run it by hand with `wetread models run` to see what it says")


@contextlib.contextmanager
def _watch(folder: Path, what: str) -> Iterator[Callable[[int], None]]:
    """Have a third process end a process group, once it is told which, and remove a folder when this one is killed."""
    reader, writer = os.pipe()
    try:
        try:
            watch = subprocess.Popen(  # noqa: S603  # a line of our own
                ["/bin/sh", "-c", _WATCH, "watch", str(folder)],
                cwd="/",
                stdin=reader,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise RuntimeFailed(f"{what} cannot be started: nobody could watch it ({error.strerror})") from error
        try:
            yield lambda group: _say(writer, f"{group}\n")
        finally:
            _say(writer, "\n\n")
            watch.wait()
    finally:
        os.close(reader)
        os.close(writer)


def _say(writer: int, line: str) -> None:
    os.write(writer, line.encode())


def _end_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # all of it has ended
    process.wait()
