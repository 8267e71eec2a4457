"""What a study's folder holds, as the record that the store takes; rebuilt from the spool alone, at any time."""

from collections.abc import Container
from operator import attrgetter

from dicom_node.spool import Spool
from dicom_node.study import AssembledSeries, AssembledStudy, Completion, StoredInstance


def take_stock(
    spool: Spool, folder: str, study_uid: str, completion: Completion, *, series: Container[str] | None = None
) -> AssembledStudy | None:
    """Return what a study folder holds; None if nothing but own results is there. Raises OSError.

    `series`: names of series folders, where only those are wanted.
    """
    files: dict[str, list[str]] = {}
    latest: StoredInstance | None = None
    first: StoredInstance | None = None
    for file in spool.files(folder):
        if series is not None and series_of(file) not in series:
            continue
        instance = spool.describe(file)
        if instance is None or instance.own:
            continue
        files.setdefault(instance.series_instance_uid, []).append(file)
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
    )


def take_holdings(spool: Spool, folder: str) -> dict[str, set[str]]:
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


def instance_of(file: str) -> str:
    """Return the name of the instance that a file of the spool is a version of."""
    return file.rsplit("/", 1)[1].removesuffix(".dcm").split("~", 1)[0]


def series_of(file: str) -> str:
    """Return the name of the series that a file of the spool belongs to."""
    return file.split("/")[1]
