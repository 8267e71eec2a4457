"""What a site may set about receiving."""

import ipaddress
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _network(value: str) -> str:
    ipaddress.ip_network(value, strict=False)  # its ValueError names what is wrong
    return value


AETitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[!-\[\]-~]([ -\[\]-~]*[!-\[\]-~])?$")]
"""PS3.5 6.2, value representation AE: 1 to 16 characters, no backslash, no control characters, no space at the ends."""

Network = Annotated[str, AfterValidator(_network)]
"""An address or a network in CIDR notation, such as ``192.0.2.7`` or ``192.0.2.0/24``."""


class Peer(BaseModel):
    """Another application entity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ae_title: AETitle
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)


class NodeSettings(BaseModel):
    """How the node listens, whom it answers, and when a study is complete."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ae_title: AETitle = Field(default="WETREAD", description="our AE title; callers must call it")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=11112, ge=0, le=65535, description="port to listen on; 0: any free one")
    max_associations: int = Field(default=16, ge=1, le=1024, description="more than these are rejected for the moment")
    calling_ae_titles: tuple[str, ...] = Field(default=("*",), description='who may call; "*": any AE title')
    peer_hosts: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1/128"), description="addresses or networks that may call"
    )
    network_timeout_s: float = Field(default=60.0, gt=0, description="an association that is silent longer is aborted")
    acse_timeout_s: float = Field(default=30.0, gt=0, description="wait for an association request or its answer")
    dimse_timeout_s: float = Field(default=60.0, gt=0, description="wait for the rest of a message")
    max_pdu_bytes: int = Field(default=131072, ge=4096, le=1 << 24, description="largest PDU we take")
    quiet_time_s: float = Field(default=30.0, gt=0, description="a study is complete when nothing came for this long")
    association_hold_s: float = Field(
        default=60.0, ge=0, description="an association that is still open keeps its study open for at most this long"
    )
    hard_cap_s: float = Field(
        default=3600.0, gt=0, description="a revision closes this long after its first instance, whatever happens"
    )
    min_free_bytes: int = Field(
        default=1 << 30, ge=0, description="instances are refused while the spool's file system has less free space"
    )
    max_backlog: int = Field(
        default=500, ge=1, description="complete studies that may wait for the ledger before instances are refused"
    )
