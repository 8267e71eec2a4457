"""Figures as a table for people."""

from collections.abc import Sequence

from rich.table import Table

from benchmarks.record import Row


def table(rows: Sequence[Row]) -> Table:
    """Return the rows with their targets and, where there is one, the peer's figure and the ratio."""
    made = Table("case", "ours", "peer", "ratio", "target", "unit", "met")
    for row in rows:
        peer = "" if row.peer is None else f"{row.peer:.3g} {row.peer_name}"
        ratio = "" if row.peer is None else f"{row.ratio:g}"
        made.add_row(
            row.case, f"{row.ours:.4g}", peer, ratio, f"{row.target:.4g}", row.unit, "yes" if row.met else "no"
        )
    return made
