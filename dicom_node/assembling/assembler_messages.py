"""What the assembler's thread is told, by receiving processes, the asker and admins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from dicom_node.study import StoredInstance


@dataclass(frozen=True, kw_only=True)
class Heard:
    """An instance is in the spool; `association` brought it."""

    instance: StoredInstance
    association: str


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An association is over."""

    association: str


@dataclass(frozen=True, kw_only=True)
class Force:
    """An admin says that a study is complete."""

    study_uid: str


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An archive was asked about a study; `counts` by Series Instance UID, None: it is away."""

    study_uid: str
    asked_at: float
    counts: Mapping[str, int | None] | None


@dataclass(frozen=True, kw_only=True)
class Announced:
    """Somebody lists the instances of a study."""

    study_uid: str
    sop_instance_uids: frozenset[str]
    source: str


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A receiving process is gone."""

    pid: int


@dataclass(frozen=True)
class Stop:
    """Handle what was told before, then end."""


Message: TypeAlias = Heard | Ended | Force | Answered | Announced | Gone | Stop
