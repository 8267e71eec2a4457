"""What a study's folder holds, as the record that the store takes; rebuilt from the spool alone, at any time."""

from operator import attrgetter

from dicom_node.spool import Spool
from dicom_node.study import AssembledSeries, AssembledStudy, Completion, Requested, StoredInstance


def take_stock(spool: Spool, folder: str, study_uid: str, completion: Completion) -> AssembledStudy | None:
    """Return everything that a study folder holds; None if nothing but own results is there. Raises OSError."""
    files: dict[str, list[str]] = {}
    latest: StoredInstance | None = None
    first: StoredInstance | None = None
    called: set[str] = set()
    requested: set[Requested] = set()
    for file in spool.files(folder):
        instance = spool.describe(file)
        if instance is None or instance.own:
            continue
        files.setdefault(instance.series_instance_uid, []).append(file)
        called.add(instance.called_ae_title)
        requested.add(instance.requested)
        latest = instance if latest is None else max(latest, instance, key=attrgetter("received_at"))
        first = instance if first is None else min(first, instance, key=attrgetter("received_at"))
    if latest is None or first is None:
        return None
    return AssembledStudy(
        study_instance_uid=study_uid,
        folder=folder,
        series=tuple(AssembledSeries(series_instance_uid=uid, files=tuple(names)) for uid, names in files.items()),
        completion=completion,
        calling_ae_title=latest.calling_ae_title,
        first_received_at=first.received_at,
        last_received_at=latest.received_at,
        called_ae_titles=tuple(sorted(called - {""})),
        requested=_of_all(requested),
    )


def _of_all(requested: set[Requested]) -> Requested:
    if Requested.HIGH in requested:
        return Requested.HIGH
    return Requested.LOW if requested == {Requested.LOW} else Requested.MEDIUM
