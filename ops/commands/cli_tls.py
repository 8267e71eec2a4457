"""The options of `wetread send` and `wetread echo` about TLS."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from dicom_node.settings import Peer
from dicom_node.tls_settings import TlsClientSettings
from ops.settings import SettingsError

TlsCa = Annotated[
    Path | None, typer.Option("--tls-ca", exists=True, help="Use TLS; the peer's certificate must be of this CA (PEM).")
]
TlsCertificate = Annotated[
    Path | None, typer.Option("--tls-certificate", exists=True, help="Our certificate, shown to the peer (PEM).")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", exists=True, help="Its private key (PEM).")]


def with_tls(peer: Peer, ca: Path | None, certificate: Path | None, key: Path | None) -> Peer:
    """Return the peer, to be called with TLS where any of the options is given. Raises SettingsError."""
    if ca is None and certificate is None and key is None:
        return peer
    try:
        tls = TlsClientSettings(ca=ca, certificate=certificate, key=key)
    except ValidationError as error:
        raise SettingsError("--tls-certificate and --tls-key belong together: name both, or neither") from error
    return peer.model_copy(update={"tls": tls})
