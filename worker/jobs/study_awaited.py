"""How long results wait for a study that their destination has not got yet. Pure.

A modality may send to us first, or to both at once, and the archive may have been away meanwhile.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

#: What an archive has said of a study; "": it was not asked, or did not answer.
Look = Literal["", "found", "absent"]


@dataclass(frozen=True, kw_only=True)
class EarlierLooks:
    """What is known of a study at one destination from before.

    Attributes:
        was_there: Whether it was found at a look, or results of it were answered.
        absent_since: When results of the job were first not sent for its absence, UTC; None: never.
    """

    was_there: bool = False
    absent_since: datetime | None = None


def waits_until(earlier: EarlierLooks, now: datetime, wait_s: float) -> datetime | None:
    """Return until when a study is waited for that is absent now; None: not any more, or it was there and is gone."""
    if earlier.was_there:
        return None
    until = (earlier.absent_since or now) + timedelta(seconds=wait_s)
    return until if until > now else None


def why_waiting(destination: str, until: datetime) -> str:
    """Say what is waited for, for the job's page."""
    return (
        f"{destination} has no such study yet: it is asked again, and what has not left by {until:%Y-%m-%d %H:%M} UTC "
        "is held"
    )
