"""Which processor this is: a runtime chooses its instructions by it, and so the last digits of an answer."""

import functools
import hashlib
import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_TELLING = ("model name", "flags", "Features", "CPU implementer", "CPU part")


@functools.cache
def processor(cpuinfo: Path = _CPUINFO) -> str:
    """Return words that are the same on machines with the same processor, and on no others."""
    try:
        first = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
    except OSError:
        return platform.machine()
    told = sorted(line for line in first.splitlines() if line.startswith(_TELLING))
    return f"{platform.machine()} {hashlib.sha256(chr(10).join(told).encode()).hexdigest()[:16]}"
