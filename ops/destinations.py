"""The destinations of the settings, each with its client; what a client needs is imported where it is needed."""

import base64
import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from dicom_node.archives.archive import DicomArchive, Outlet
from dicom_node.archives.folder_outlet import FolderOutlet
from dicom_node.archives.requestor import Requestor
from dicom_node.errors import ArchiveUnreachable
from dicom_node.settings import Peer
from ops.secret import read_secret
from ops.settings import Settings
from worker.delivery.committing import CommitmentPlan
from worker.delivery.destination import Destination
from worker.delivery.destination_settings import (
    DicomDestinationSettings,
    DicomWebDestinationSettings,
    FolderDestinationSettings,
    SingleDestination,
)
from worker.errors import ChannelAway
from worker.ledger.deliveries import CommitmentWish


def destinations_of(settings: Settings) -> dict[str, Destination]:
    """Return where results go, by name."""
    return {
        item.name: Destination(
            name=item.name,
            archive=_outlet(item, settings.node.ae_title),
            # A folder knows of no patient.
            identity_check=not isinstance(item, FolderDestinationSettings) and item.identity_check,
            encodings=item.encodings,
            commitment=_wish(item),
            withdraws=_withdraws(item),
        )
        for item in settings.each_destination
    }


def commitment_plans_of(settings: Settings) -> dict[str, CommitmentPlan]:
    """Return how destinations are asked for commitment, those that are."""
    return {
        item.name: CommitmentPlan(
            requestor=Requestor(peer=item.peer, calling_ae_title=settings.node.ae_title),
            timeout_s=item.commitment_timeout_s,
            linger_s=item.commitment_linger_s,
        )
        for item in settings.each_destination
        if isinstance(item, DicomDestinationSettings) and item.commitment
    }


def reporters_of(settings: Settings) -> frozenset[str]:
    """Return the AE titles under which archives may report storage commitment to the node.

    It is theirs if they are asked for it and an entry of ``[[node.peers]]`` binds it to hosts; which it does not in a
    promiscuous node.
    """
    if settings.node.promiscuous:
        return frozenset()
    listed = {peer.ae_title for peer in settings.node.peers}
    return frozenset(plan.requestor.peer.ae_title for plan in commitment_plans_of(settings).values()) & listed


def unheard(settings: Settings) -> tuple[str, ...]:
    """Return the destinations that are asked for commitment and could not report on an association of their own."""
    delivery, reporters = settings.delivery, reporters_of(settings)
    plain, tls = delivery.commitment_port is not None, delivery.commitment_tls_port is not None
    return tuple(
        name
        for name, plan in commitment_plans_of(settings).items()
        if plan.requestor.peer.ae_title not in reporters and not plain and not (tls and plan.requestor.peer.tls)
    )


def peers_of(settings: Settings) -> dict[str, Peer]:
    """Return whom the audit trail names as the receiver of results; one that is no AE is named as in the settings."""
    peers = {}
    for item in settings.each_destination:
        if isinstance(item, DicomDestinationSettings):
            peers[item.name] = item.peer
        elif isinstance(item, DicomWebDestinationSettings):
            where = urlsplit(item.url)
            port = where.port or (443 if where.scheme == "https" else 80)
            peers[item.name] = Peer(ae_title=item.name[:16], host=where.hostname or "", port=port)
    return peers


def _wish(item: SingleDestination) -> CommitmentWish:
    if not isinstance(item, DicomDestinationSettings) or not item.commitment:
        return ""
    return "required" if item.commitment == "required" else "wanted"


def _withdraws(item: SingleDestination) -> bool:
    return item.superseded == "delete"


def _outlet(item: SingleDestination, ae_title: str) -> Outlet:
    if isinstance(item, DicomDestinationSettings):
        return DicomArchive(item.peer, ae_title)
    if isinstance(item, FolderDestinationSettings):
        return FolderOutlet(item.path)
    return _dicomweb(item)


def _dicomweb(item: DicomWebDestinationSettings) -> Outlet:
    # Its library brings requests, numpy and Pillow.
    from dicom_node.archives.dicomweb_archive import DicomWebArchive  # noqa: PLC0415

    return DicomWebArchive(
        item.url,
        authorise=_authorisation(item),
        verify=str(item.ca_file) if item.ca_file is not None else _system_certificates(),
        certificate=(str(item.certificate), str(item.key)) if item.certificate is not None else None,
        timeout_s=item.timeout_s,
    )


def _authorisation(item: DicomWebDestinationSettings) -> Callable[[], str] | None:
    """Return what reads the secret for each request, so that it can be changed without a restart."""
    secret = item.token or item.password
    if secret is None:
        return None

    def header() -> str:
        try:
            value = read_secret(secret)
        except ChannelAway as error:
            uncalled = ArchiveUnreachable(f"{item.name} was not called: {error}")
            uncalled.kept_nothing = True
            raise uncalled from error
        if item.token is not None:
            return f"Bearer {value}"
        return "Basic " + base64.b64encode(f"{item.user}:{value}".encode()).decode()

    return header


def _system_certificates() -> str | bool:
    """Return where this system keeps the CAs that it trusts, as everywhere else in wetread; True: the library's own."""
    paths = ssl.get_default_verify_paths()
    return next((path for path in (paths.cafile, paths.capath) if path and Path(path).exists()), True)
