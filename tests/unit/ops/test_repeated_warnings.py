"""Who calls a hundred times a second, and is turned away each time, does not fill the disk with the log of that."""

from typing import Any

import pytest
import structlog

from dicom_node.testing import ManualClock
from ops.repeated_warnings import MOST_LINES, WINDOW_S, RepeatedWarnings


def told(repeated: RepeatedWarnings, method: str = "warning", **values: Any) -> dict[str, Any] | None:
    """Return the line that is written; None for none."""
    try:
        return dict(repeated(None, method, {"event": "association rejected", **values}))
    except structlog.DropEvent:
        return None


def test_the_same_again_is_counted_and_told_once_a_minute() -> None:
    """A hundred a second for two minutes are three lines; another caller, or another reason, is a line of its own."""
    clock = ManualClock()
    repeated = RepeatedWarnings(clock)
    lines = []
    for _ in range(13_000):
        lines.append(told(repeated, address="192.0.2.9", reason="not listed"))
        clock.advance(0.01)
    assert [line.get("repeated", 0) for line in lines if line] == pytest.approx([0, 5999, 5999], abs=2)
    assert told(repeated, address="192.0.2.9", reason="not on the list of hosts")
    assert told(repeated, address="192.0.2.10", reason="not listed")


def test_what_no_caller_decides_is_told_each_time() -> None:
    """Only warnings about a caller are left out: an error, or a destination that is away, is a line each time."""
    repeated = RepeatedWarnings(ManualClock())
    for _ in range(3):
        assert told(repeated, destination="pacs")
        assert told(repeated, "error", address="192.0.2.9")


def test_ever_other_callers_cost_no_memory() -> None:
    """So many are remembered; of more each is a line, until those before are a minute old."""
    clock = ManualClock()
    repeated = RepeatedWarnings(clock)
    for number in range(MOST_LINES):
        assert told(repeated, calling_ae_title=f"AE{number}")
    assert told(repeated, calling_ae_title="ONE")
    assert told(repeated, calling_ae_title="ONE")
    assert not told(repeated, calling_ae_title="AE0")
    clock.advance(WINDOW_S)
    assert told(repeated, calling_ae_title="ONE")
    assert not told(repeated, calling_ae_title="ONE")
