"""What proves and measures on a GPU is ready to run: every step walks through here without one."""

import json
import os
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
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False)
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
