"""PixelMed's DicomSRValidator, which holds a report against its IOD and its templates."""

import subprocess
from pathlib import Path

from ops.commands.validators import sr_validator
from tests.optional import missing


def validated(file: Path) -> str:
    """Return all that the validator says of a report; skip (fail in CI) where it is not installed. Takes seconds."""
    command = sr_validator()
    if command is None:
        missing("PixelMed's DicomSRValidator is not installed: apt-get install pixelmed-apps")
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
