"""What a site may set about destinations: where results go, which of them, and in which form."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, field_validator, model_validator

from dicom_node.peer_settings import AETitle
from dicom_node.settings import Peer
from dicom_node.tls_settings import TlsClientSettings
from worker.jobs.routing import Conditions
from worker.object_kinds import DEFAULT_KINDS, INSTEAD, REJECTION, Kind
from worker.secret_settings import Secret
from worker.settings import Section, at_home

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
#: The ledger keeps 32 characters: this, a colon and an AE title.
_LONGEST_NAME_OF_SENDERS = 15

#: As made; or another encoding of the same object, tried where the one before it is not taken.
Encoding = Literal["as-made", "explicit", "implicit"]
#: What becomes of an earlier read's objects when later images were read.
Superseded = Literal["leave", "delete", "reject"]


class _DestinationSettings(Section):
    """What every destination has."""

    name: str = Field(
        pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=32, description="its name in the ledger and on the page"
    )
    objects: tuple[Kind, ...] = Field(
        default=DEFAULT_KINDS, min_length=1, description="kinds of object that it gets; docs/viewers.md compares them"
    )
    not_read: tuple[Literal["failed", "skipped"], ...] = Field(
        default=("failed",), description="ends of a job about which a text SR says why nothing was read"
    )
    encodings: tuple[Encoding, ...] = Field(
        default=("as-made",),
        min_length=1,
        description="transfer syntaxes in the order in which they are tried where one is not taken: as-made (RLE for "
        "label maps, else Explicit VR Little Endian), explicit, implicit (both without compression)",
    )
    models: tuple[str, ...] = Field(default=(), description="only reads by these models, by id; empty: of all")
    modalities: tuple[str, ...] = Field(
        default=(), description="only reads of series of these modalities, such as CT; empty: of all"
    )

    @field_validator("objects")
    @classmethod
    def _one_of_a_pair(cls, value: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if REJECTION in value:
            raise ValueError(f'{REJECTION} is no object to show: set superseded = "reject"')
        for kind, instead in INSTEAD.items():
            if kind in value and instead in value:
                raise ValueError(
                    f"{kind} and {instead} show the same and would lie on top of each other in a viewer: name {kind} "
                    f"alone, {instead} goes there by itself where {kind} cannot be made or is refused"
                )
        return value


class _OfSenders(_DestinationSettings):
    """What a destination has that is the same for all senders."""

    senders: tuple[AETitle, ...] = Field(
        default=(), description="only studies that these AE titles sent to the node; empty: of all"
    )

    @property
    def conditions(self) -> Conditions:
        """Which reads go there."""
        return Conditions(senders=self.senders, models=self.models, modalities=self.modalities)


class _Archive(_OfSenders):
    """What a destination has that can be asked."""

    identity_check: bool = Field(
        default=True, description="ask this archive (C-FIND, QIDO-RS) each time before results of a job leave"
    )


class DicomDestinationSettings(_Archive):
    """An archive that receives results by C-STORE."""

    kind: Literal["dicom"] = Field(default="dicom", description="an archive by C-STORE; may be left out")
    ae_title: AETitle = Field(description="its AE title")
    host: str = Field(min_length=1, description="its name or address")
    port: int = Field(ge=1, le=65535, description="its DICOM port")
    prior: bool = Field(
        default=False, description="search this archive (C-FIND, C-GET) for an earlier read of ours to compare with"
    )
    commitment: bool | Literal["required"] = Field(
        default=False,
        description="ask it to take responsibility (storage commitment). required: a result counts as delivered only "
        "then",
    )
    commitment_timeout_s: float = Field(
        default=600.0, gt=0, description="wait for its report before it is asked again; the wait doubles, up to a day"
    )
    commitment_linger_s: float = Field(
        default=0.5, ge=0, le=60, description="how long the association of a request stays open for the report"
    )
    superseded: Literal["leave", "reject"] = Field(
        default="leave",
        description="objects of an earlier read when later images were read: leave, or reject (a Key Object Selection "
        "with 113001, IHE IOCM)",
    )
    tls: TlsClientSettings | None = None

    @property
    def peer(self) -> Peer:
        """Whom to call."""
        return Peer(ae_title=self.ae_title, host=self.host, port=self.port, tls=self.tls)


class DicomWebDestinationSettings(_Archive):
    """An archive that receives results by STOW-RS."""

    kind: Literal["dicomweb"] = Field(description="an archive by STOW-RS")
    url: str = Field(description="https://...: what stands before /studies")
    user: str = Field(default="", description="for Basic authentication; empty: none")
    password: Secret | None = Field(default=None, description="of the user")
    token: Secret | None = Field(default=None, description="sent as Authorization: Bearer")
    ca_file: Path | None = Field(default=None, description="certificates to trust, PEM; else the system's")
    certificate: Path | None = Field(default=None, description="PEM file with our certificate, where it wants one")
    key: Path | None = Field(default=None, description="PEM file with its private key, without a password")
    timeout_s: float = Field(default=60.0, gt=0, le=600, description="for a connection and for each answer")
    superseded: Superseded = Field(
        default="leave",
        description="objects of an earlier read when later images were read: leave, delete (DELETE), or reject (a Key "
        "Object Selection with 113001, IHE IOCM)",
    )

    @field_validator("url")
    @classmethod
    def _http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must start with https:// (or http://), name a host, and end before /studies")
        if parts.username is not None:
            raise ValueError("must not name a user: `user` with `password` keeps the secret out of this file")
        if not re.fullmatch(r"[!-~]+", value):
            raise ValueError("has characters that no address has")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _private(self) -> Self:
        if bool(self.user) != (self.password is not None):
            raise ValueError("user and password belong together")
        if self.user and self.token is not None:
            raise ValueError("either user with password, or token")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate needs its key and a key its certificate: name both, or neither")
        parts = urlsplit(self.url)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError("results name patients: http can be read on the way, use https (http only to loopback)")
        return self


class FolderDestinationSettings(_OfSenders):
    """A folder that receives results as files, one an object."""

    kind: Literal["folder"] = Field(description="a folder: SOP-INSTANCE-UID.dcm, whole from the moment it is there")
    path: Path = Field(description="an existing folder; it is not made, so that a share that is away is noticed")
    superseded: Superseded = Field(
        default="leave",
        description="files of an earlier read when later images were read: leave, delete, or reject (a Key Object "
        "Selection with 113001, IHE IOCM)",
    )

    @field_validator("path")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if not at_home(value).is_absolute():
            raise ValueError("must be absolute: each part of wetread may run in another directory")
        return at_home(value)


class SenderSettings(Section):
    """One that sends studies and gets their results back."""

    ae_title: AETitle = Field(description="under which it sends to the node, and is called")
    host: str = Field(min_length=1, description="its name or address")
    port: int = Field(ge=1, le=65535, description="its own DICOM port")
    tls: TlsClientSettings | None = Field(
        default=None, description="as in [destinations.tls], such as { ca = '/etc/wetread/ca.pem' }"
    )


class SenderDestinationSettings(_DestinationSettings):
    """Whoever sent a study, by C-STORE; each has its own queue."""

    kind: Literal["sender"] = Field(description="whoever sent the study, by C-STORE")
    peers: tuple[SenderSettings, ...] = Field(
        min_length=1,
        description="where they listen: { ae_title, host, port, tls }; who is not here gets nothing back",
    )
    identity_check: bool = Field(
        default=False, description="ask the sender (C-FIND) each time before results of a job leave; modalities cannot"
    )

    @field_validator("name")
    @classmethod
    def _short(cls, value: str) -> str:
        if len(value) > _LONGEST_NAME_OF_SENDERS:
            raise ValueError(f"at most {_LONGEST_NAME_OF_SENDERS} characters: each sender's AE title is put behind it")
        return value

    @property
    def each(self) -> tuple[DicomDestinationSettings, ...]:
        """A destination for each sender, called NAME:AE, for what that one sent."""
        shared = {key: getattr(self, key) for key in _DestinationSettings.model_fields if key != "name"}
        return tuple(
            # Not validated again: its name has a colon, which no name in a file may have, so that they cannot collide.
            DicomDestinationSettings.model_construct(
                **shared,
                name=f"{self.name}:{peer.ae_title}",
                senders=(peer.ae_title,),
                ae_title=peer.ae_title,
                host=peer.host,
                port=peer.port,
                tls=peer.tls,
                identity_check=self.identity_check,
            )
            for peer in self.peers
        )


def _with_kind(value: Any) -> Any:
    return {"kind": "dicom", **value} if isinstance(value, dict) else value


DestinationSettings = Annotated[
    DicomDestinationSettings | DicomWebDestinationSettings | FolderDestinationSettings | SenderDestinationSettings,
    Field(discriminator="kind"),
    BeforeValidator(_with_kind),
]
"""One destination; without `kind` it is an archive by C-STORE."""

#: What remains when each sender is a destination of its own.
SingleDestination = DicomDestinationSettings | DicomWebDestinationSettings | FolderDestinationSettings


def each_of(destinations: tuple[Any, ...]) -> tuple[SingleDestination, ...]:
    """Return every destination that has a queue of its own, in the order of the settings."""
    return tuple(
        single
        for item in destinations
        for single in (item.each if isinstance(item, SenderDestinationSettings) else (item,))
    )
