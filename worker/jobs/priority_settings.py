"""What a site may set about priorities: rules on studies, and a modality worklist that is asked."""

import re
from datetime import time
from typing import Literal

from pydantic import Field, field_validator

from dicom_node.peer_settings import AETitle, PriorityName
from dicom_node.settings import Peer
from dicom_node.tls_settings import TlsClientSettings
from worker.selecting.tag_rules import TagRule
from worker.settings import Section
from worker.text_patterns import regular_expression

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class PriorityRule(Section):
    """A rule on studies: where everything that it names fits, its priority counts; the first that fits decides."""

    priority: PriorityName = Field(description="stat, urgent, routine or backlog")
    senders: tuple[AETitle, ...] = Field(
        default=(),
        description="AE titles of who sends; where several have sent a study, one of them for stat and urgent, all of "
        "them for routine and backlog",
    )
    called: tuple[AETitle, ...] = Field(default=(), description="AE titles of ours that are called")
    requested: tuple[Literal["high", "medium", "low"], ...] = Field(
        default=(), description="Priority (0000,0700) of the C-STORE requests; many senders say low without meaning it"
    )
    modality: tuple[str, ...] = Field(default=(), description="of a series")
    body_part: tuple[str, ...] = Field(default=(), description="Body Part Examined (0018,0015) of that series")
    description: str = Field(
        default="",
        description="regular expression (as in RE2: no look-around, no backreferences) found in the Study Description "
        "or that series' description; case does not matter",
    )
    where: TagRule | None = Field(
        default=None, description="free rules on that series' attributes, as in a card's selection.where"
    )
    weekdays: tuple[Weekday, ...] = Field(
        default=(), description='on which the last image came, in the site\'s time zone, such as ["sat", "sun"]'
    )
    hours: str = Field(
        default="", description='between which the last image came, such as "18:00-07:00", over midnight too'
    )

    @field_validator("description")
    @classmethod
    def _regular(cls, value: str) -> str:
        return regular_expression(value)

    @field_validator("hours")
    @classmethod
    def _two_times(cls, value: str) -> str:
        if value and not _HOURS.fullmatch(value):
            raise ValueError(f"{value!r} is no span of hours; write one such as 18:00-07:00")
        return value

    @property
    def span(self) -> tuple[time, time] | None:
        """From when until when; None: at any time."""
        found = _HOURS.fullmatch(self.hours)
        if found is None:
            return None
        return time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))


class WorklistSettings(Section):
    """The modality worklist (PS3.4 K) that is asked how urgent a study's order is; no study waits for its answer."""

    ae_title: AETitle = Field(description="its AE title")
    host: str = Field(description="its name or address")
    port: int = Field(ge=1, le=65535, description="its DICOM port")
    within_s: float = Field(default=10.0, gt=0, le=300, description="longest time that a question may take")
    max_waiting: int = Field(
        default=1000, ge=1, description="studies that may wait for their question; beyond it the oldest is not asked"
    )
    tls: TlsClientSettings | None = None

    @property
    def peer(self) -> Peer:
        """Whom to ask."""
        return Peer(ae_title=self.ae_title, host=self.host, port=self.port, tls=self.tls)
