"""Callers that were turned away, at the handshake or at the door: one record of each, for the log and who else asks."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import structlog

_log = structlog.get_logger()


class Stage(Enum):
    """How far a caller came."""

    HANDSHAKE = "TLS handshake failed"
    ASSOCIATION = "association rejected"


@dataclass(frozen=True, kw_only=True)
class TurnedAway:
    """A caller that was turned away.

    Attributes:
        stage: How far it came.
        address: Numeric, of the connection.
        found: What was wrong.
        remedy: What an admin may do.
        calling_ae_title: As it names itself; "" at the handshake.
        called_ae_title: As it names us; "" at the handshake.
        answer: Result, source and reason of the A-ASSOCIATE-RJ (PS3.8 9.3.4); None at the handshake.
    """

    stage: Stage
    address: str
    found: str
    remedy: str
    calling_ae_title: str = ""
    called_ae_title: str = ""
    answer: tuple[int, int, int] | None = None


#: Who else hears of it, such as an audit trail. Called from the connection's thread; must return at once.
Witness = Callable[[TurnedAway], None]


def no_witness(_caller: TurnedAway) -> None:
    """Hear nothing."""


def log(caller: TurnedAway) -> None:
    """Write it to the log."""
    values: dict[str, object] = {"address": caller.address}
    if caller.answer is not None:
        values |= {
            "calling_ae_title": caller.calling_ae_title,
            "called_ae_title": caller.called_ae_title,
            "answer": caller.answer,
        }
    _log.warning(caller.stage.value, **values, reason=caller.found, remedy=caller.remedy)
