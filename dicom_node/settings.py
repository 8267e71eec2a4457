"""What a site may set about receiving."""

import os
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dicom_node.peer_settings import AETitle, CountsFrom, PeerSettings, PriorityName
from dicom_node.tls_settings import NodeTlsSettings, TlsClientSettings


class Peer(BaseModel):
    """Another application entity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ae_title: AETitle
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    tls: TlsClientSettings | None = None

    @field_validator("host")
    @classmethod
    def _without_brackets(cls, value: str) -> str:
        """Take an IPv6 address as it stands before a port, in brackets (RFC 3986 3.2.2)."""
        return value[1:-1] if value.startswith("[") and value.endswith("]") and ":" in value else value

    @property
    def server_name(self) -> str:
        """The name that its certificate must have."""
        return (self.tls.server_name if self.tls is not None else None) or self.host


Fsync = Literal["instance", "study", "off"]
"""When what was received is brought to the disk: before each answer, before a study is complete, or by the system."""


#: More cores do not receive faster over one wire, and the others have work to do.
_MOST_BY_ITSELF = 4


class NodeSettings(BaseModel):
    """How the node listens, whom it answers, and when a study is complete."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ae_title: AETitle = Field(default="WETREAD", description="our AE title; callers must call it")
    priority_ae_titles: dict[AETitle, PriorityName] = Field(
        default={},
        description='further AE titles of ours, such as { "WETREAD_STAT" = "stat" }: what is sent there has that '
        "priority",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(
        default=11112,
        ge=0,
        le=65535,
        description="port to listen on; 0: any free one, for `wetread node` alone, whose log names it",
    )
    max_associations: int = Field(default=16, ge=1, le=1024, description="more than these are rejected for the moment")
    loopback: bool = Field(
        default=True,
        description="callers on this machine need no entry; switch it off where a proxy forwards others from here",
    )
    promiscuous: bool = Field(
        default=False, description="admit any AE title from any host; for trials only, warned of at every start"
    )
    open_echo: bool = Field(
        default=False, description="answer C-ECHO, and nothing else, to callers whose AE title is not listed"
    )
    peers: tuple[PeerSettings, ...] = ()
    plain: bool = Field(default=True, description="listen without TLS; false needs [node.tls]")
    tls: NodeTlsSettings | None = None
    network_timeout_s: float = Field(default=60.0, gt=0, description="an association that is silent longer is aborted")
    acse_timeout_s: float = Field(default=30.0, gt=0, description="wait for an association request or its answer")
    dimse_timeout_s: float = Field(default=60.0, gt=0, description="wait for the rest of a message")
    max_pdu_bytes: int = Field(default=1 << 20, ge=4096, le=1 << 24, description="largest PDU we take")
    quiet_time_s: float = Field(default=30.0, gt=0, description="a study is complete when nothing came for this long")
    association_hold_s: float = Field(
        default=60.0, ge=0, description="an association that is still open keeps its study open for at most this long"
    )
    hard_cap_s: float = Field(
        default=3600.0, gt=0, description="a revision closes this long after its first instance, whatever happens"
    )
    counts_from: CountsFrom = Field(
        default="",
        description="archive that is asked (C-FIND) how many instances it holds of each series: a destination's name, "
        "or AE@host:port; a study is complete when it has told twice that it has as many as we; empty: nobody is asked",
    )
    settle_s: float = Field(
        default=5.0, gt=0, description="between two equal counts, with nothing arriving in between; one proves nothing"
    )
    ask_after_s: float = Field(default=2.0, gt=0, description="of silence, before the archive is asked for its counts")
    processes: int = Field(
        default=0, ge=0, le=64, description="receiving processes on each port; 0: one a core, at most 4"
    )
    fsync: Fsync = Field(
        default="instance",
        description='"instance": a power cut loses nothing that was answered; "study": it loses studies that were not '
        'complete, or damages them; "off": it may lose or damage whatever came in the last half minute',
    )
    min_free_bytes: int = Field(
        default=1 << 30, ge=0, description="instances are refused while the spool's file system has less free space"
    )
    max_backlog: int = Field(
        default=500, ge=1, description="complete studies that may wait for the ledger before instances are refused"
    )

    @property
    def called_ae_titles(self) -> frozenset[str]:
        """The AE titles under which we may be called."""
        return frozenset({self.ae_title, *self.priority_ae_titles})

    @property
    def receiving_processes(self) -> int:
        """How many processes receive."""
        return self.processes or min(_MOST_BY_ITSELF, os.cpu_count() or 1)

    @field_validator("peers")
    @classmethod
    def _listed_once(cls, value: tuple[PeerSettings, ...]) -> tuple[PeerSettings, ...]:
        titles = [peer.ae_title for peer in value]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is listed twice; list all its hosts in one entry")
        return value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.tls is None and not self.plain:
            raise ValueError("plain = false and no [node.tls]: nobody could call; name a certificate there")
        believing = [peer.ae_title for peer in self.peers if peer.storage_commitment]
        if believing and self.promiscuous:
            raise ValueError(
                f"promiscuous = true admits anybody under the AE title of {', '.join(believing)}, and "
                "storage_commitment is for those who are known: switch one of them off"
            )
        pinned = [peer.ae_title for peer in self.peers if peer.pinned]
        if pinned and (self.tls is None or self.tls.client_certificates == "none"):
            raise ValueError(
                f"a certificate of {', '.join(pinned)} is pinned, and nobody can show one: set [node.tls] up, with "
                'client_certificates = "required"'
            )
        return self
