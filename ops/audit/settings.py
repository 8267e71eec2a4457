"""What a site may set about the audit trail."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dicom_node.tls_settings import TlsClientSettings

#: RFC 5425 4.1, RFC 5426 3.3.
_PORTS = {"tls": 6514, "udp": 514}


class SyslogSettings(BaseModel):
    """An audit record repository that takes syslog."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(min_length=1, description="its name or address")
    transport: Literal["tls", "udp"] = Field(
        default="tls", description='"tls" (RFC 5425); "udp" (RFC 5426) is neither encrypted nor acknowledged'
    )
    port: int | None = Field(default=None, ge=1, le=65535, description="its port; left out: 6514 for tls, 514 for udp")
    tls: TlsClientSettings | None = None

    @property
    def to_port(self) -> int:
        """The port that is meant."""
        return self.port or _PORTS[self.transport]

    @property
    def server_name(self) -> str:
        """The name that its certificate must have."""
        return (self.tls.server_name if self.tls is not None else None) or self.host

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.transport == "udp" and self.tls is not None:
            raise ValueError('certificates are for transport = "tls"; take [audit.syslog.tls] out, or set that')
        return self


class AuditSettings(BaseModel):
    """The audit trail (PS3.15 A.5), which names patients."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: Literal["file", "syslog", "off"] = Field(
        default="file", description='"file", "syslog" (then [audit.syslog] says where), or "off"'
    )
    file: Path | None = Field(
        default=None, description="one message a line, for its owner's eyes only; left out: audit/trail.log of the data"
    )
    source_id: str = Field(default="", max_length=64, description="Audit Source ID; empty: node.ae_title")
    site_id: str = Field(default="", max_length=64, description="Audit Enterprise Site ID; empty: none is told")
    every_s: float = Field(
        default=300.0, gt=0, description="what an association brings is told when it ends, at the latest after this"
    )
    max_waiting_bytes: int = Field(
        default=256 << 20,
        ge=1 << 16,
        description="messages that may wait to be sent; newer ones are lost, with an alarm",
    )
    syslog: SyslogSettings | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.to == "syslog" and self.syslog is None:
            raise ValueError('to = "syslog" needs [audit.syslog] with the host of the audit record repository')
        return self
