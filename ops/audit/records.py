"""What the audit trail tells of (PS3.15 A.5.3), one record an event."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from dicom_node.turned_away import TurnedAway


class Action(StrEnum):
    """Event Action Code of transferred instances (PS3.15 A.5.3.7)."""

    CREATE = "C"  #: the receiver had none of them
    READ = "R"  #: it had them, the same; or who tells is not the receiver
    UPDATE = "U"  #: it had others under these UIDs


@dataclass(frozen=True, kw_only=True)
class Side:
    """An application entity that takes part.

    Attributes:
        ae_title: Its AE title; "" where nobody knows it.
        address: Host name, or numeric address, of it; "" where nobody knows it.
        requestor: Whether it began the association.
        process: Name of our process; "" for others.
    """

    ae_title: str
    address: str
    requestor: bool
    process: str = ""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Instances of one study go from one side to the other (PS3.15 A.5.3.3, A.5.3.7).

    Attributes:
        at: When it began, or had ended; UTC.
        begins: Whether it begins; else it has ended.
        action: What it meant to the receiver.
        source: Who sends.
        destination: Who receives.
        study_instance_uid: (0020,000D).
        sop_classes: SOP Class UIDs, and how many instances of each.
        file: One of them, which says whose study it is.
        failure: Why they were not transferred; "" where they were.
    """

    at: datetime
    begins: bool
    action: Action
    source: Side
    destination: Side
    study_instance_uid: str
    sop_classes: tuple[tuple[str, int], ...]
    file: Path
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Alert:
    """A caller was turned away (PS3.15 A.5.3.11).

    Attributes:
        at: When, for the first time; UTC.
        caller: Who, and why.
        times: How often since.
    """

    at: datetime
    caller: TurnedAway
    times: int = 1


@dataclass(frozen=True, kw_only=True)
class Lapse:
    """The trail has a gap: messages that could not be kept (PS3.15 A.5.3.11, audit recording).

    Attributes:
        at: When recording went on; UTC.
        lost: How many messages are missing.
    """

    at: datetime
    lost: int


@dataclass(frozen=True, kw_only=True)
class Activity:
    """A process of ours started or stopped (PS3.15 A.5.3.1)."""

    at: datetime
    started: bool


Record: TypeAlias = Transfer | Alert | Lapse | Activity
