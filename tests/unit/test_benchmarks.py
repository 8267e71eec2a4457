"""The form of a benchmark's result; nothing about time."""

import json
import os
from pathlib import Path

from benchmarks.record import Row, peak_gib, resident_mb, write


def test_a_result_has_the_one_form(tmp_path: Path) -> None:
    """Commit, date, machine and rows, with a ratio that is more than 1 where we are better than asked."""
    rows = [
        Row(case="fast", unit="s", ours=1.0, target=2.0),
        Row(case="slow", unit="s", ours=4.0, target=2.0),
        Row(case="against a peer", unit="s", ours=2.0, target=2.0, peer=3.0, peer_name="peer"),
    ]
    written = json.loads(write("x", rows, tmp_path).read_text())
    assert set(written) == {"commit", "date", "machine", "rows"}
    assert set(written["machine"]) == {"cpu", "cores", "memory_gib", "os", "python", "gpu"}
    assert [(row["ratio"], row["met"]) for row in written["rows"]] == [(2.0, True), (0.5, False), (1.5, True)]


def test_memory_of_a_process_is_told() -> None:
    """A process that lives has a peak and a present size, the one not below the other."""
    assert peak_gib(os.getpid()) * 1024 * 1.05 > resident_mb(os.getpid()) / 1.05 > 1
