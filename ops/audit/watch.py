"""How the audit trail is, for the page and the metrics."""

from collections.abc import Callable
from dataclasses import dataclass

from ops.audit.outgoing import Figures
from ops.audit.trail import outgoing_of
from ops.settings import Settings


@dataclass(frozen=True, kw_only=True)
class AuditState:
    """How it is.

    Attributes:
        figures: What waits and what was lost; None where its folder cannot be read.
    """

    figures: Figures | None


AuditWatch = Callable[[], AuditState]
"""Asked anew each time."""


def all_well() -> AuditState:
    """Return that nothing waits: there is no trail to look after."""
    return AuditState(figures=Figures(waiting=0, oldest_s=0.0, lost=0))


def watch_of(settings: Settings) -> AuditWatch:
    """Return a function that says how the trail is; it needs no process of it to run."""
    outgoing = outgoing_of(settings.audit, settings.audit_folder)

    def look() -> AuditState:
        try:
            return AuditState(figures=outgoing.figures())
        except OSError:
            return AuditState(figures=None)

    return look if settings.audit.to != "off" else all_well
