"""DCMTK's programs. pynetdicom installs scripts of the same names beside Python's, which a PATH may find first."""

import os
import shutil
import sys
from pathlib import Path

from tests.optional import missing


def dcmtk(name: str) -> str:
    """Return the path of one of DCMTK's programs; skip (fail in CI) where it is not installed."""
    own = Path(sys.executable).parent
    folders = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if folder and Path(folder) != own]
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        missing(f"DCMTK's {name} is not installed: apt-get install dcmtk")
    return found
