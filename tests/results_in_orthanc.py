"""What an Orthanc holds of us."""

from pathlib import Path
from typing import Any

from tests.orthanc_server import OrthancServer
from worker.object_kinds import KINDS

_MADE = {about.modality for about in KINDS.values()}


def _instances(orthanc: OrthancServer) -> list[dict[str, Any]]:
    found = []
    for name in orthanc.rest("/instances"):
        tags = orthanc.rest(f"/instances/{name}/simplified-tags")
        found.append(tags)
    return found


def modalities(orthanc: OrthancServer) -> list[str]:
    """Return the Modality of each series, sorted."""
    return sorted(orthanc.rest(f"/series/{name}")["MainDicomTags"]["Modality"] for name in orthanc.rest("/series"))


def results_of(orthanc: OrthancServer) -> set[str]:
    """Return the SOP Instance UIDs of everything that is not an image or a waveform."""
    return {tags["SOPInstanceUID"] for tags in _instances(orthanc) if tags["Modality"] in _MADE}


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


def texts_in(orthanc: OrthancServer) -> list[str]:
    """Return every sentence of the text reports, in order."""
    found = []
    for name in orthanc.rest("/instances"):
        tags = orthanc.rest(f"/instances/{name}/simplified-tags")
        pending = [tags] if tags["Modality"] == "SR" else []
        while pending:
            item = pending.pop(0)
            found += [item["TextValue"]] if "TextValue" in item else []
            pending += item.get("ContentSequence", [])
    return found
