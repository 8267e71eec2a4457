"""What proves and measures on a GPU is ready to run: every step walks through here without one."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.optional import need

ROOT = Path(__file__).parents[2]


def run(*command: str, folder: Path) -> None:
    """Run a command that must end well."""
    environment = os.environ | {"OUT": str(folder), "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=700, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_every_step_walks_through_without_a_gpu(tmp_path: Path) -> None:
    """Each step ends well on a CPU with tiny sizes, and each figure that needs a GPU says that it was skipped."""
    need("torch")
    run(
        sys.executable,
        "-m",
        "benchmarks.gpu",
        "all",
        "--dry-run",
        "--out",
        str(tmp_path / "gpu.jsonl"),
        folder=tmp_path,
    )
    _judge([json.loads(line) for line in (tmp_path / "gpu.jsonl").read_text().splitlines()])


@pytest.mark.campaign
def test_the_script_walks_through_without_a_gpu(tmp_path: Path) -> None:
    """`ops/gpu/run.sh --cpu-dry-run` does the same, step by step, and collects one document."""
    need("torch")
    run("bash", "ops/gpu/run.sh", "--cpu-dry-run", folder=tmp_path)
    _judge(json.loads((tmp_path / "gpu.json").read_text())["lines"])


def test_the_scripts_are_shell() -> None:
    """Both scripts parse."""
    for script in ("pack.sh", "run.sh"):
        subprocess.run(["bash", "-n", str(ROOT / "ops" / "gpu" / script)], check=True)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A folder in which TensorRT-RTX is packed already, a made-up one of 25 MiB; wheels are not downloaded."""
    if not (ROOT / ".git").exists():
        pytest.skip("pack.sh counts what git tracks, and this is no clone")
    packed = tmp_path / "gpu" / "packed"
    packed.mkdir(parents=True)
    (packed / "library.xz").write_bytes(bytes(range(256)) * (25 << 12))
    for name in ("library.sha256", "library.path", "small.tar.xz"):
        (packed / name).write_text(name)
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 0\n")
    python.chmod(0o700)
    return packed.parent


def pack(packed: Path, *data: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run pack.sh into a folder, without what this machine says of test data."""
    environment = {name: value for name, value in os.environ.items() if name != "WETREAD_TEST_DATA"}
    environment |= {"PYTHON": str(packed.parent / "python")} | variables
    command = ["bash", str(ROOT / "ops" / "gpu" / "pack.sh"), str(packed), *map(str, data)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("given", ["variable", "argument"])
def test_two_legs_are_packed(packed: Path, tmp_path: Path, given: str) -> None:
    """The library is cut in two that are one again, the test series that are there go along, others are named."""
    data = tmp_path / "series"
    data.mkdir()
    (data / "t1-head.tar.xz").write_bytes(b"series")
    variables = {"TRANSFER_MIB": "40"} | ({"WETREAD_TEST_DATA": str(data)} if given == "variable" else {})
    done = pack(packed, *([data] if given == "argument" else []), **variables)
    assert done.returncode == 0, done.stderr
    assert "no brainchop-models: its steps are skipped" in done.stdout
    parts = [packed / "leg1" / "library.xz.1", packed / "leg2" / "library.xz.2"]
    assert [part.stat().st_size >> 20 for part in parts] == [18, 7]
    assert b"".join(part.read_bytes() for part in parts) == (packed / "packed" / "library.xz").read_bytes()
    assert (packed / "leg2" / "t1-head.tar.xz").read_bytes() == b"series"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"WETREAD_TEST_DATA": "/nowhere"}, "series, /nowhere, is not there: .*set WETREAD_TEST_DATA"),
        ({"WETREAD_TEST_DATA": "/", "TRANSFER_MIB": "12"}, "TRANSFER_MIB is 12: give a number of MiB above 22"),
        ({"WETREAD_TEST_DATA": "/", "TRANSFER_MIB": "much"}, "TRANSFER_MIB is much: give a number"),
        ({"WETREAD_TEST_DATA": "/", "TRANSFER_MIB": "23"}, "too large for one transfer of 23 MiB .*TRANSFER_MIB"),
    ],
)
def test_what_cannot_be_packed_is_told(packed: Path, variables: dict[str, str], words: str) -> None:
    """Cause and remedy, before anything is downloaded."""
    done = pack(packed, **variables)
    assert done.returncode == 1
    assert re.search(words, done.stderr)


def test_the_first_leg_waits_below_the_home_folder(tmp_path: Path) -> None:
    """Where the second call finds it, whoever runs it."""
    scripts, leg = tmp_path / "copy" / "ops" / "gpu", tmp_path / "copy" / "build" / "gpu" / "leg1"
    scripts.mkdir(parents=True)
    leg.mkdir(parents=True)
    shutil.copy(ROOT / "ops" / "gpu" / "run.sh", scripts)
    (leg / "library.xz.1").write_text("most of it")
    environment = {name: value for name, value in os.environ.items() if name not in ("TENSORRT_PLACE", "OUT")}
    command = ["bash", str(scripts / "run.sh"), "unpack"]
    subprocess.run(command, env=environment | {"HOME": str(tmp_path / "home")}, check=True, timeout=60)
    kept = tmp_path / "home" / ".cache" / "wetread" / "trt" / ".leg1" / "library.xz.1"
    assert kept.read_text() == "most of it"


def _judge(lines: list[dict[str, Any]]) -> None:
    assert {line["step"] for line in lines} == {
        "environment",
        "questions",
        "roofline",
        "meshnet",
        "unet",
        "densenet",
        "resnet",
        "study",
    }
    assert not [line for line in lines if "failed" in line or line.get("exit")]
    measured = [line for line in lines if line.get("way") == "torch eager"]
    assert len(measured) == 8
    assert all(line["seconds"] > 0 for line in measured)
