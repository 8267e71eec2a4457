"""Whether the files that the ledger knows are on disk: images in the spool, results with their bytes."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info

from worker.jobs.retention import Keeping
from worker.ledger.facts import JobFacts, StudyFacts
from worker.ledger.flaws import Flaw
from worker.ledger.tables import ResultObject
from worker.recorded_file import flaw_of

IMAGES = "images are in the spool"
RESULTS = "results are on disk"


def file_flaws(facts: StudyFacts, *, spool: Path, results: Path, contents: bool) -> Iterator[Flaw]:
    """Yield what is missing of a study, or differs from what was recorded; what retention has removed is not missing.

    Args:
        facts: Of the study.
        spool: Its root.
        results: Their root.
        contents: Whether results are read and their sha256 compared; else they need only be there.
    """
    listed = set() if facts.study.images_removed_at is not None else _listed(facts)
    missing = sorted(listed - _there(spool, {str(Path(file).parent) for file in listed}))
    if missing:
        yield Flaw(
            invariant=IMAGES,
            study_instance_uid=facts.study.study_instance_uid,
            job_id=None,
            what=f"{len(missing)} of {len(listed)} images are gone, such as {missing[0]}",
            remedy="is the spool's disk mounted? Else pull or send the study again",
        )
    if facts.study.results_removed_at is None:
        removed_at = _removed_at(facts, Keeping.RESULTS)
        for it in facts.jobs:
            yield from _result_flaws(facts, it, results, removed_at, contents=contents)


def _listed(facts: StudyFacts) -> set[str]:
    """Return the images that should be there: what came, or came again, since retention removed those before."""
    removed_at = _removed_at(facts, Keeping.IMAGES)
    since = {it.id for it in facts.revisions if removed_at is None or it.closed_at > removed_at}
    listed = {file for series in facts.series if series.revision_id in since for file in series.manifest}
    return listed | {
        file for it in facts.jobs if it.job.revision_id in since for one in it.inputs for file in one.files
    }


def _removed_at(facts: StudyFacts, what: Keeping) -> datetime | None:
    """Return when retention last removed this of a study: the study itself forgets it as soon as there is more."""
    return max((event.at for event in facts.events if event.kind == f"{what} removed"), default=None)


def _result_flaws(
    facts: StudyFacts, it: JobFacts, results: Path, removed_at: datetime | None, *, contents: bool
) -> Iterator[Flaw]:
    for one in it.results:
        if removed_at is not None and one.result.created_at < removed_at:
            continue
        wrong = _wrong(results / one.result.file, one.result, contents=contents)
        if wrong:
            yield Flaw(
                invariant=RESULTS,
                study_instance_uid=facts.study.study_instance_uid,
                job_id=it.job.id,
                what=f"{one.result.file} {wrong}",
                remedy="put file and ledger back from one backup: only what was recorded, under its UID, may be sent",
            )


def _wrong(file: Path, result: ResultObject, *, contents: bool) -> str:
    try:
        if not contents:
            return "" if file.is_file() else "is not there"
        if flaw := flaw_of(file, result.sha256):
            return flaw
        meta = read_file_meta_info(file)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except InvalidDicomError:
        return "is no DICOM file"
    uids = (meta.get("MediaStorageSOPClassUID"), meta.get("MediaStorageSOPInstanceUID"))
    recorded = (result.sop_class_uid, result.sop_instance_uid)
    return "" if uids == recorded else f"is {uids[1]}, and was recorded as {recorded[1]}"


def _there(root: Path, folders: set[str]) -> set[str]:
    """Return the files in these folders, relative to the root; each folder is looked into once."""
    found: set[str] = set()
    for folder in folders:
        if (root / folder).is_dir():
            found.update(f"{folder}/{entry.name}" for entry in (root / folder).iterdir())
    return found
