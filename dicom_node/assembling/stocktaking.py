"""What a study's folder holds, as the record that the store takes; rebuilt from the spool alone, at any time."""

from collections.abc import Callable, Collection, Container, Sequence
from operator import attrgetter

import structlog

from dicom_node.spooling.kept_files import KeptFiles
from dicom_node.spooling.spool_layout import instance_of, series_of
from dicom_node.study import AssembledSeries, AssembledStudy, Completion, Requested, StoredInstance

_log = structlog.get_logger()


def take_stock(
    spool: KeptFiles,
    folder: str,
    study_uid: str,
    completion: Completion,
    made_here: Callable[[Sequence[StoredInstance]], Collection[str]],
    *,
    series: Container[str] | None = None,
) -> AssembledStudy | None:
    """Return what a study folder holds; None if nothing but own results is there. Raises OSError.

    `series`: names of series folders, where only those are wanted.
    """
    files = [file for file in spool.files(folder) if series is None or series_of(file) in series]
    # Before the files are looked into: what is mended meanwhile has its own message.
    mended = spool.mended(files)
    described = [spool.describe(file) for file in files]
    there = [instance for instance in described if instance is not None and not instance.own]
    own = made_here(there)
    if own:
        _log.info("own results left out", study=study_uid, instances=len(own))
    found = [instance for instance in there if instance.file not in own]
    if not found:
        return None
    by_series: dict[str, list[str]] = {}
    for instance in found:
        by_series.setdefault(instance.series_instance_uid, []).append(instance.file)
    called = {instance.called_ae_title for instance in found}
    calling = {instance.calling_ae_title for instance in found}
    requested = {instance.requested for instance in found}
    latest, first = max(found, key=attrgetter("received_at")), min(found, key=attrgetter("received_at"))
    return AssembledStudy(
        study_instance_uid=study_uid,
        folder=folder,
        series=tuple(AssembledSeries(series_instance_uid=uid, files=tuple(names)) for uid, names in by_series.items()),
        completion=completion,
        calling_ae_title=latest.calling_ae_title,
        first_received_at=first.received_at,
        last_received_at=latest.received_at,
        called_ae_titles=tuple(sorted(called - {""})),
        calling_ae_titles=tuple(sorted(calling - {""})),
        requested=_of_all(requested),
        mended=mended & {instance.file for instance in found},
    )


def take_holdings(spool: KeptFiles, folder: str) -> dict[str, set[str]]:
    """Return the names of the instances in each series folder of a study, own results left out. Raises OSError.

    Of a series only the first file is looked into: results of ours have series of their own.
    """
    held: dict[str, set[str]] = {}
    own: set[str] = set()
    for file in spool.files(folder):
        series = series_of(file)
        if series not in held and series not in own:
            instance = spool.describe(file)
            if instance is None:
                continue
            if instance.own:
                own.add(series)
                continue
        if series not in own:
            held.setdefault(series, set()).add(instance_of(file))
    return held


def _of_all(requested: set[Requested]) -> Requested:
    if Requested.HIGH in requested:
        return Requested.HIGH
    return Requested.LOW if requested == {Requested.LOW} else Requested.MEDIUM
