"""What a site may set about TLS: certificates and keys, of the node and of its calls to others."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class NodeTlsSettings(BaseModel):
    """Listening with TLS (PS3.15 B.12)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: int = Field(
        default=2762,
        ge=0,
        le=65535,
        description="port to listen on with TLS; 0: any free one, for `wetread node` alone, whose log names it",
    )
    certificate: Path = Field(description="PEM file with our certificate and those between it and its CA")
    key: Path = Field(description="PEM file with its private key, without a password")
    ca: Path | None = Field(default=None, description="PEM file with the CAs whose certificates callers may show")
    crl: Path | None = Field(
        default=None,
        description="PEM file with the revocation lists of those CAs, one of each that issues to callers; refused is a "
        "certificate that is on one, or whose CA has none",
    )
    client_certificates: Literal["required", "optional", "none"] = Field(
        default="required", description="whether callers must show a certificate (mutual authentication)"
    )
    handshake_timeout_s: float = Field(
        default=10.0, gt=0, le=120, description="a caller that has not ended its handshake by then is closed"
    )

    @model_validator(mode="after")
    def _verifiable(self) -> Self:
        if self.crl is not None and self.ca is None:
            raise ValueError("`crl` lists certificates of the CAs in `ca`: name that too")
        if self.ca is None and self.client_certificates != "none":
            raise ValueError(
                "callers are asked for certificates and no `ca` says whose count: name it, or set "
                'client_certificates = "none", which lets any machine connect'
            )
        return self


class TlsClientSettings(BaseModel):
    """Calling with TLS."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca: Path | None = Field(default=None, description="PEM file with the CA of its certificate; left out: the system's")
    crl: Path | None = Field(
        default=None, description="PEM file with the revocation list of that CA; a certificate on it is refused"
    )
    certificate: Path | None = Field(
        default=None, description="PEM file with our certificate and those between it and its CA"
    )
    key: Path | None = Field(default=None, description="PEM file with its private key, without a password")
    server_name: str | None = Field(
        default=None, min_length=1, description="name that its certificate must have; left out: its host"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate needs its key and a key its certificate: name both, or neither")
        return self
