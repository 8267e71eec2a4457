"""What a site may set about telling people: the channels, and how patient the escalation is."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from worker.jobs.notification import ChannelRule, Topic
from worker.secret_settings import Secret
from worker.settings import Section

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: An MSH field that names an application or facility (HL7 v2.5.1 2.A.33, HD.1).
_Hl7Name = Annotated[str, Field(max_length=20, pattern=r"^[^|^~\\&\r\n]*$")]


class _ChannelSettings(Section):
    """What every channel has."""

    name: str = Field(
        pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=32, description="its name in the ledger and on the page"
    )
    about: tuple[Topic, ...] = Field(
        default=("critical",), min_length=1, description="critical: critical findings; overdue: not read in time"
    )
    step: int = Field(default=1, ge=1, le=9, description="1 is told at once, the next when nobody acknowledges in time")
    patient_data: bool = Field(
        default=False, description="whether name, id and birth date go there too; else accession number and study UID"
    )
    timeout_s: float = Field(
        default=10.0, gt=0, le=60, description="for each step of a connection; all of it has ten times that"
    )

    def rule(self) -> ChannelRule:
        """Return what the decisions need."""
        return ChannelRule(name=self.name, step=self.step, about=self.about, patient_data=self.patient_data)


class WebhookSettings(_ChannelSettings):
    """An HTTP POST of JSON."""

    kind: Literal["webhook"] = Field(description="an HTTP POST of JSON")
    url: str | Secret = Field(description="https://...; an address that is itself a secret: { file = } or { env = }")
    signing_key: Secret | None = Field(default=None, description="HMAC-SHA256 key of the header X-Wetread-Signature")
    token: Secret | None = Field(default=None, description="sent as Authorization: Bearer")
    ca_file: Path | None = Field(default=None, description="certificates to trust, PEM; else the system's")

    @field_validator("url")
    @classmethod
    def _http(cls, value: str | Secret) -> str | Secret:
        if isinstance(value, str) and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
            raise ValueError("must start with https:// (or http://) and name a host")
        return value

    @model_validator(mode="after")
    def _private(self) -> "WebhookSettings":
        plain = isinstance(self.url, str) and not is_private(self.url)
        if plain and (self.patient_data or self.token is not None):
            raise ValueError("patient_data and token need an https:// address: http can be read on the way")
        return self


class MailSettings(_ChannelSettings):
    """An e-mail."""

    kind: Literal["mail"] = Field(description="an e-mail")
    host: str = Field(description="the mail server")
    port: int = Field(default=587, ge=1, le=65535, description="587 with starttls, 465 with tls, 25 with none")
    security: Literal["starttls", "tls", "none"] = Field(default="starttls", description="of the connection")
    sender: str = Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$", description="address that it comes from")
    to: tuple[Annotated[str, Field(pattern=r"^[^@\s<>]+@[^@\s<>]+$")], ...] = Field(
        min_length=1, description="addresses that it goes to"
    )
    user: str = Field(default="", description="for the mail server; empty: no log-in")
    password: Secret | None = Field(default=None, description="of the user")
    ca_file: Path | None = Field(default=None, description="certificates to trust, PEM; else the system's")

    @model_validator(mode="after")
    def _private(self) -> "MailSettings":
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password belong together")
        if self.security == "none" and self.host not in _LOOPBACK and (self.patient_data or self.user):
            raise ValueError('patient_data and user need security = "starttls" or "tls": none can be read on the way')
        return self


class Hl7Settings(_ChannelSettings):
    """An HL7 v2.5.1 ORU^R01 over MLLP."""

    kind: Literal["hl7"] = Field(description="an HL7 v2.5.1 ORU^R01 over MLLP")
    host: str = Field(description="the interface engine")
    port: int = Field(default=2575, ge=1, le=65535, description="its MLLP port")
    tls: bool = Field(default=False, description="MLLP inside TLS; patient_data need it to another host than this one")
    plain: bool = Field(
        default=False,
        description="patient_data go there without TLS, for an engine that has none; each start warns of it",
    )
    ca_file: Path | None = Field(default=None, description="certificates to trust, PEM; else the system's")
    sending_application: _Hl7Name = Field(default="WETREAD", description="MSH-3")
    sending_facility: _Hl7Name = Field(default="", description="MSH-4")
    receiving_application: _Hl7Name = Field(default="", description="MSH-5")
    receiving_facility: _Hl7Name = Field(default="", description="MSH-6")
    processing_id: Literal["P", "T", "D"] = Field(default="P", description="MSH-11: production, training, debugging")

    @property
    def shows_patients(self) -> bool:
        """Whether whoever is on the way can read whose message it is."""
        return self.patient_data and not self.tls and self.host not in _LOOPBACK

    @model_validator(mode="after")
    def _private(self) -> "Hl7Settings":
        if self.ca_file is not None and not self.tls:
            raise ValueError("ca_file needs tls = true: without it nothing is encrypted, and it would mean nothing")
        if self.plain and self.tls:
            raise ValueError("tls and plain exclude each other; take plain out")
        if self.shows_patients and not self.plain:
            raise ValueError(
                "patient_data need tls = true: MLLP alone can be read on the way. Where the engine has no TLS and the "
                "way to it is safe, say plain = true"
            )
        return self


ChannelSettings = Annotated[WebhookSettings | MailSettings | Hl7Settings, Field(discriminator="kind")]


class NotifyingSettings(Section):
    """How patient telling people is."""

    escalate_after_s: float = Field(
        default=300.0, gt=0, description="without acknowledgement for so long, the next step is told"
    )
    first_retry_s: float = Field(default=5.0, gt=0, description="wait after the first attempt; it doubles")
    longest_retry_s: float = Field(default=60.0, gt=0, description="longest wait between attempts")
    give_up_after_s: float = Field(
        default=3600.0, gt=0, description="then a channel is given up for this notification, and an admin sees it"
    )
    poll_s: float = Field(default=0.5, gt=0, le=1.0, description="how often the ledger is asked for what is new")


def is_private(url: str) -> bool:
    """Tell whether nobody on the way can read what is sent to this address."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in _LOOPBACK
