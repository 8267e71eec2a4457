"""docker-compose.yml as somebody new runs it, on a real Docker: built, started, one study through it, stopped."""

import json
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.data import get_testdata_file

ROOT = Path(__file__).parents[2]
IMAGES = ("python:3.11-slim-bookworm", "redis:7-bookworm", "orthancteam/orthanc:24.10.1")
OURS = ("node", "deliver", "worker", "web")


def _docker(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["docker", *words], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)


def _compose(*words: str) -> str:
    done = _docker("compose", "--project-name", "wetread-proof", *words)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def _orthanc(path: str, body: bytes | None = None) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:8042{path}", body, timeout=60) as answer:
        return json.load(answer)


@pytest.fixture
def composed() -> Iterator[None]:
    """Everything built and healthy, with one model's weights; skips without a Docker or the images it begins with."""
    if shutil.which("docker") is None or _docker("compose", "version").returncode or _docker("info").returncode:
        pytest.skip("no Docker with its compose plugin runs here")
    for image in IMAGES:
        if _docker("image", "inspect", image).returncode and _docker("pull", image).returncode:
            pytest.skip(f"{image} is not here, and no registry gives it")
    try:
        _compose("build")
        _compose("run", "--rm", "worker", "models", "fetch", "ecg-rhythm")
        _compose("up", "--detach", "--wait")
        yield
    finally:
        _compose("down", "--volumes")


@pytest.mark.campaign
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("composed")
def test_a_study_goes_through_the_containers(wait_for: Callable[..., None]) -> None:
    """What Orthanc sends is read and comes back to it as SR; the page is well; every part stops with exit status 0."""
    kept = _orthanc("/instances", Path(str(get_testdata_file("waveform_ecg.dcm"))).read_bytes())
    _orthanc("/modalities/wetread/store", kept["ParentStudy"].encode())
    wait_for(lambda: '"SR"' in json.dumps(_orthanc(f"/studies/{kept['ParentStudy']}/series")), deadline_s=180)
    with urllib.request.urlopen("http://127.0.0.1:8080/readyz", timeout=60) as ready:
        assert ready.status == 200
    _compose("stop", *OURS)
    assert [_compose("ps", "--all", "--format", "{{.ExitCode}}", part).strip() for part in OURS] == ["0"] * len(OURS)
