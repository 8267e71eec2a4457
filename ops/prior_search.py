"""Builds what finds earlier reads: the ledger's memory, the site's secret, and the archives that may be searched.

Apart from `ops.assembly_line`, since it needs arrays and decoders, which the node and the deliverer do without.
"""

import structlog

from dicom_node.archives.archive import DicomArchive
from dicom_node.archives.query import Limits
from ops.settings import Settings
from worker.delivery.destination_settings import DicomDestinationSettings
from worker.errors import PatientSecretUnusable
from worker.ledger.ledger import Ledger
from worker.patient_secret import load_secret
from worker.priors.priors import Priors

_log = structlog.get_logger()

#: A read waits no longer than this for each answer of an archive that is searched for an earlier one.
_SEARCH_S = 4.0


def priors_of(settings: Settings, ledger: Ledger) -> Priors | None:
    """Return what finds earlier reads to compare with; None where nothing is to be compared, or no secret is there."""
    if not settings.report.prior:
        return None
    try:
        secret = load_secret(settings.patient_secret)
    except PatientSecretUnusable as error:
        # Reading goes on: a comparison is an addition.
        _log.error("nothing is compared with earlier reads", cause=str(error))
        return None
    return Priors(
        ledger=ledger,
        results=settings.results,
        secret=secret,
        archives={
            item.name: DicomArchive(
                item.peer,
                settings.node.ae_title,
                connect_timeout_s=_SEARCH_S / 2,
                acse_timeout_s=_SEARCH_S / 2,
                dimse_timeout_s=_SEARCH_S,
                limits=Limits(seconds=_SEARCH_S),
            )
            for item in settings.each_destination
            if isinstance(item, DicomDestinationSettings) and item.prior
        },
    )
