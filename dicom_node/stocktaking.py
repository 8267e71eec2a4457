"""What a study's folder holds, as the record that the store takes; rebuilt from the spool alone, at any time."""

from collections.abc import Callable, Collection, Sequence
from operator import attrgetter

import structlog

from dicom_node.spool import Spool
from dicom_node.study import AssembledSeries, AssembledStudy, Completion, StoredInstance

_log = structlog.get_logger()


def take_stock(
    spool: Spool,
    folder: str,
    study_uid: str,
    completion: Completion,
    made_here: Callable[[Sequence[StoredInstance]], Collection[str]],
) -> AssembledStudy | None:
    """Return everything that a study folder holds; None if nothing but own results is there. Raises OSError."""
    described = [spool.describe(file) for file in spool.files(folder)]
    there = [instance for instance in described if instance is not None and not instance.own]
    own = made_here(there)
    if own:
        _log.info("own results left out", study=study_uid, instances=len(own))
    found = [instance for instance in there if instance.file not in own]
    if not found:
        return None
    files: dict[str, list[str]] = {}
    for instance in found:
        files.setdefault(instance.series_instance_uid, []).append(instance.file)
    latest, first = max(found, key=attrgetter("received_at")), min(found, key=attrgetter("received_at"))
    return AssembledStudy(
        study_instance_uid=study_uid,
        folder=folder,
        series=tuple(AssembledSeries(series_instance_uid=uid, files=tuple(names)) for uid, names in files.items()),
        completion=completion,
        calling_ae_title=latest.calling_ae_title,
        first_received_at=first.received_at,
        last_received_at=latest.received_at,
    )
