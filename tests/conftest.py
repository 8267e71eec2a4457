"""What every test may use: the shared data, free ports, waiting for a condition."""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import platformdirs
import pytest


def _shared_data_source() -> Path | None:
    named = os.environ.get("WETREAD_TEST_DATA")
    candidates = [Path(named)] if named else [Path(__file__).resolve().parents[2] / "shared" / "data"]
    return next((folder for folder in candidates if (folder / "unpack.sh").is_file()), None)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of unpacked real series and weights; unpacked once into a cache outside the repository."""
    source = _shared_data_source()
    if source is None:
        reason = "real data is missing: set WETREAD_TEST_DATA to the folder that holds its unpack.sh"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    cache = Path(platformdirs.user_cache_dir("wetread-tests"))
    subprocess.run(["bash", str(source / "unpack.sh"), str(cache)], check=True, capture_output=True)
    return cache


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Return a function that finds a loopback port nobody listens on."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Return a function that polls a condition until it holds or its deadline (seconds) has passed."""

    def wait(condition: Callable[[], object], *, deadline_s: float = 30.0, what: str = "the condition") -> None:
        end = time.monotonic() + deadline_s
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"{what} did not hold within {deadline_s:g} s")
            time.sleep(0.05)

    return wait
