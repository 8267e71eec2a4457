"""PixelMed's DicomSRValidator, which holds a report against its IOD and its templates."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_JARS = Path("/usr/share/java")
_LIMITS = ("xpathTotalOpLimit", "xpathExprOpLimit", "xpathExprGrpLimit")


def validated(file: Path) -> str:
    """Return all that the validator says of a report; skip (fail in CI) where it is not installed. Takes seconds."""
    java = shutil.which("java")
    if java is None or not (_JARS / "pixelmed.jar").is_file():
        reason = "PixelMed's DicomSRValidator is not installed: apt-get install pixelmed-apps"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    command = [
        java,
        "-cp",
        f"{_JARS}/*",
        *(f"-Djdk.xml.{limit}=0" for limit in _LIMITS),  # its style sheets are larger than Java allows by itself
        "com.pixelmed.validate.DicomSRValidator",
        str(file),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
