"""C code that stands between a process and its system, compiled when a test wants it (LD_PRELOAD)."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.optional import missing

_SHIMS = Path(__file__).parent / "shims"


def preloaded(name: str, folder: Path, **values: Path) -> dict[str, str]:
    """Compile a shim into a folder; return the environment of a process that is to have it.

    Args:
        name: Of its file in `shims`.
        folder: For the library.
        values: By the names that the shim looks for, without its own before them.
    """
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        missing("no C compiler on Linux: install gcc")
    library = folder / f"{name}.so"
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SHIMS / f"{name}.c"), "-ldl"], check=True
    )
    return {"LD_PRELOAD": str(library), **{f"{name}_{key}".upper(): str(value) for key, value in values.items()}}
