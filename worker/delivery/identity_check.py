"""Never on the wrong patient: whose study it was at receipt, held against whose the archive says that it is now."""

from pathlib import Path

from pydicom.dataset import Dataset

from dicom_node.archives.identity import StudyIdentity
from worker.errors import CharactersUnknown
from worker.instances.bounded_inflating import read_header
from worker.instances.sender_characters import AssumedSets, settle


def why_held(received: StudyIdentity, archived: StudyIdentity | None, destination: str) -> str:
    """Say why results must not go out now; empty where the archive's study is the one that we received.

    Names the attributes that differ, never their values.
    """
    if archived is None:
        return (
            f"{destination} has no such study: has it not come there yet, or was it moved, merged or deleted? "
            "`wetread release-hold` once it is there; where an archive only ever gets results, set "
            "`identity_check = false` for it"
        )
    different = archived.differs_from(received)
    if different == ("PatientName",) and archived.lacks_characters_of(received):
        return (
            f"PatientName in {destination} lacks characters of what we received: it answers queries in a character set "
            "without them; let it answer in UTF-8 (Orthanc: DefaultEncoding)"
        )
    if different:
        names = ", ".join(different)
        verb = "differs" if len(different) == 1 else "differ"
        return f"{names} {verb} in {destination} from what we received: was the patient corrected or merged?"
    return ""


def identity_of_file(file: Path, assumed: AssumedSets) -> StudyIdentity:
    """Return whose study a file of the spool belongs to, as results say it."""
    return identities_of_file(file, assumed)[0]


def identities_of_file(file: Path, assumed: AssumedSets) -> tuple[StudyIdentity, ...]:
    """Return whose study a file of the spool belongs to: as results say it, then as its sender declared it.

    They differ where the declared character set is not the one that was used; an archive may repeat either.
    """
    as_declared = StudyIdentity.of(_head(file))
    head = _head(file)
    try:
        settle(head, assumed, StudyIdentity.keywords())
    except CharactersUnknown:
        return (as_declared,)
    return tuple(dict.fromkeys((StudyIdentity.of(head), as_declared)))


def _head(file: Path) -> Dataset:
    return read_header(file, StudyIdentity.keywords())
