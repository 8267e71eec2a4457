"""What an Orthanc holds of us."""

from pathlib import Path
from typing import Any

from tests.orthanc_server import OrthancServer
from worker.object_kinds import KINDS

_MADE = {about.modality for about in KINDS.values()}


def _instances(orthanc: OrthancServer, study: str | None) -> list[dict[str, Any]]:
    found = [orthanc.rest(f"/instances/{name}/simplified-tags") for name in orthanc.rest("/instances")]
    return [tags for tags in found if study in (None, tags["StudyInstanceUID"])]


def modalities(orthanc: OrthancServer, study: str | None = None) -> list[str]:
    """Return the Modality of each series (of one study), sorted."""
    series = {tags["SeriesInstanceUID"]: str(tags["Modality"]) for tags in _instances(orthanc, study)}
    return sorted(series.values())


def results_of(orthanc: OrthancServer, study: str | None = None) -> set[str]:
    """Return the SOP Instance UIDs of everything (of one study) that is not an image or a waveform."""
    return {tags["SOPInstanceUID"] for tags in _instances(orthanc, study) if tags["Modality"] in _MADE}


def result_files(orthanc: OrthancServer, folder: Path) -> dict[str, tuple[str, Path]]:
    """Write everything that is not an image into a folder; return Study Instance UID and file by SOP Instance UID."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for series in orthanc.rest("/series?expand"):
        if series["MainDicomTags"]["Modality"] not in _MADE:
            continue
        study = orthanc.rest(f"/series/{series['ID']}/study")["MainDicomTags"]["StudyInstanceUID"]
        for name in series["Instances"]:
            uid = orthanc.rest(f"/instances/{name}")["MainDicomTags"]["SOPInstanceUID"]
            file = folder / f"{uid}.dcm"
            file.write_bytes(orthanc.rest(f"/instances/{name}/file"))
            found[uid] = (study, file)
    return found


def texts_in(orthanc: OrthancServer, study: str | None = None) -> list[str]:
    """Return every sentence of the text reports (of one study), in order."""
    found = []
    for tags in _instances(orthanc, study):
        pending = [tags] if tags["Modality"] == "SR" else []
        while pending:
            item = pending.pop(0)
            found += [item["TextValue"]] if "TextValue" in item else []
            pending += item.get("ContentSequence", [])
    return found
