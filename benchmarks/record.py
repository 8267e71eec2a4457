"""The one form of a result, and the machine it was measured on."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
_KIB_A_GIB = 1024**2


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure.

    Attributes:
        case: What was measured.
        unit: Of `ours`, `peer` and `target`.
        ours: The figure.
        target: What it should stay below.
        peer: The peer's figure in the same run; None where the target is absolute.
        peer_name: Who that is.
    """

    case: str
    unit: str
    ours: float
    target: float
    peer: float | None = None
    peer_name: str | None = None

    @property
    def ratio(self) -> float:
        """More than 1 is better for us."""
        return round((self.target if self.peer is None else self.peer) / self.ours, 2) if self.ours else float("inf")

    @property
    def met(self) -> bool:
        """Whether the figure is within its target."""
        return self.ours <= self.target


def document(rows: Sequence[Row]) -> dict[str, object]:
    """Return what is written: commit, date, machine, rows."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True)
    return {
        "commit": commit.stdout.strip(),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
            "os": platform.platform(),
            "python": platform.python_version(),
            "gpu": None,
        },
        "rows": [{**asdict(row), "ratio": row.ratio, "met": row.met} for row in rows],
    }


def write(name: str, rows: Sequence[Row], folder: Path = RESULTS) -> Path:
    """Write ``<name>.json`` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.json"
    file.write_text(json.dumps(document(rows), indent=1) + "\n", encoding="utf-8")
    return file


def peak_gib(pid: int) -> float:
    """Return the largest resident memory that a process has had, in GiB."""
    return _status_kib(pid, "VmHWM") / _KIB_A_GIB


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process now, in MB."""
    return _status_kib(pid, "VmRSS") * 1024 / 1e6


def _status_kib(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
