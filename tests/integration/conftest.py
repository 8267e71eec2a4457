"""Real peers on free ports."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.orthanc_server import OrthancServer


@pytest.fixture
def orthanc(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[OrthancServer]:
    """A running Orthanc with nothing in it."""
    folder = tmp_path / "orthanc"
    folder.mkdir()
    server = OrthancServer(folder, dicom_port=free_port(), http_port=free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()
