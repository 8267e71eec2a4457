"""The acceptance checks of results that no other file holds; `docs/conformance.md` says where each of the twenty is."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.message import Message
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset

from models.card.manifest import Card
from models.findings import HeatMap, Reading
from ops.commands.validators import VALIDATORS, run
from tests.orthanc_server import OrthancServer
from tests.readings import (
    PNEUMONIA,
    a_card,
    a_nodule_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    classified,
    detections_reading,
    load,
    nothing_found,
)
from worker.errors import SourceRefused
from worker.gate import output_gate
from worker.gate.bundle import children, content_items, name_of
from worker.object_kinds import KINDS
from worker.objects.object_encoding import ResultObject
from worker.planar_testing import a_chest, write_planar_image
from worker.provenance import device_uid
from worker.results import build
from worker.series.series_volume import LoadedSeries
from worker.testing import write_mr_series

_DEVICE_OBSERVER_UID = ("121012", "DCM")
_MEASUREMENT_GROUP = ("125007", "DCM")
#: dicom3tools' tables are older than Label Map Segmentation.
_UNKNOWN_TO_DCIODVFY = ("LABELMAP",)


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """All results of a read and their files.

    Attributes:
        series: What was read.
        sources: Its files.
        card: Of the model.
        objects: The results, every kind that this read can give.
        files: The same on disk, by kind.
    """

    series: LoadedSeries
    sources: list[Path]
    card: Card
    objects: tuple[ResultObject, ...]
    files: Mapping[str, Path]

    @property
    def datasets(self) -> dict[str, Dataset]:
        """The results as their receiver reads them."""
        return {made.kind: dcmread(BytesIO(made.data)) for made in self.objects}

    @property
    def reports(self) -> dict[str, Dataset]:
        """The structured reports."""
        return {kind: dataset for kind, dataset in self.datasets.items() if dataset.Modality == "SR"}


def everything(series: LoadedSeries) -> Reading:
    """Return structures, detections, answers and a heat map in one reading."""
    answers = classified(series)
    reading = detections_reading(series)
    assert reading.labels is not None
    heat = np.linspace(0, 1, reading.labels.size, dtype=np.float32).reshape(reading.labels.shape)
    return replace(
        reading,
        findings=answers.findings,
        measurements=answers.measurements,
        heat_maps=(HeatMap(name=PNEUMONIA, array=heat),),
    )


_READINGS: Mapping[str, Callable[[LoadedSeries], Reading]] = {
    "everything": everything,
    "structures": a_reading,
    "nothing": nothing_found,
}


@pytest.fixture(params=[*_READINGS, "ecg"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    """The results of one kind of reading, in every kind of object, after the gate."""
    if request.param == "ecg":
        series, reading, card = an_ecg(), an_ecg_reading(), an_ecg_card()
        sources = [Path(str(get_testdata_file("waveform_ecg.dcm")))]
    else:
        sources = write_mr_series(tmp_path / "source", oblique=True)
        series = load(tmp_path / "source")
        reading, card = _READINGS[str(request.param)](series), a_nodule_card()
    case = case_of(series, reading, card)
    objects = build(case, tuple(KINDS))
    output_gate.check(objects, case)
    (tmp_path / "out").mkdir()
    files = {each.kind: tmp_path / "out" / f"{each.kind}.dcm" for each in objects}
    for each in objects:
        files[each.kind].write_bytes(each.data)
    return Made(series=series, sources=sources, card=card, objects=objects, files=files)


def told(tool: str, files: list[Path]) -> tuple[str, ...]:
    """Return what a validator finds wrong; skip (fail in CI) where it is missing."""
    validator = next(each for each in VALIDATORS if each.tool == tool)
    if validator.command() is None:
        pytest.fail(f"{tool} is not installed: apt-get install {validator.install}")
    return run(validator, files, ()).problems


def test_check_01_dciodvfy_on_every_output(made: Made) -> None:
    """No object of any kind has an error, nor a warning that is not a known false alarm."""
    for kind, file in made.files.items():
        if kind not in _UNKNOWN_TO_DCIODVFY:
            assert told("dciodvfy", [file]) == (), kind


def test_check_02_dcentvfy_over_sources_and_outputs(made: Made) -> None:
    """Patient and study are the same in sources and results, attribute for attribute."""
    assert told("dcentvfy", [*made.sources, *made.files.values()]) == ()


def test_check_07_the_device_uid_is_present_and_equal(made: Made) -> None:
    """Contributing Equipment names the algorithm in every object, and every report's device observer is the same."""
    for kind, dataset in made.datasets.items():
        (equipment,) = dataset.ContributingEquipmentSequence
        assert str(equipment.DeviceUID) == device_uid(made.card), kind
        assert equipment.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
        assert (equipment.Manufacturer, equipment.ManufacturerModelName, equipment.SoftwareVersions) == (
            made.card.manufacturer,
            made.card.name,
            made.card.version,
        )
    for kind, report in made.reports.items():
        (observer,) = [item for item in content_items(report) if name_of(item) == _DEVICE_OBSERVER_UID]
        assert str(observer.UID) == device_uid(made.card), kind


def groups_of(report: Dataset) -> list[Dataset]:
    """Return the measurement groups of a report."""
    return [item for item in content_items(report) if name_of(item) == _MEASUREMENT_GROUP]


def test_check_08_seg_and_sr_track_the_same_and_the_segment_exists(made: Made) -> None:
    """Every group that refers to a segment has its tracking identifier and UID; so has the group with coordinates."""
    seg = made.datasets.get("SEG")
    segments = {int(item.SegmentNumber): item for item in seg.SegmentSequence} if seg else {}
    referred = set()
    uids: dict[str, set[str]] = {}
    for report in made.reports.values():
        for group in groups_of(report):
            (identifier,) = children(group, "112039", "DCM")
            (uid,) = children(group, "112040", "DCM")
            uids.setdefault(str(identifier.TextValue), set()).add(str(uid.UID))
            for item in children(group, "121191", "DCM"):
                (reference,) = item.ReferencedSOPSequence
                assert seg is not None
                assert reference.ReferencedSOPInstanceUID == seg.SOPInstanceUID
                segment = segments[int(reference.ReferencedSegmentNumber)]
                referred.add(int(segment.SegmentNumber))
                assert (segment.TrackingID, segment.TrackingUID) == (identifier.TextValue, uid.UID)
    assert referred == set(segments)
    assert all(len(same) == 1 for same in uids.values()), uids


def test_check_09_evidence_lists_exactly_the_referenced_instances(made: Made) -> None:
    """Each report's evidence is every instance that was read, and the SEG where it speaks of segments; nothing else."""
    read = {str(dataset.SOPInstanceUID) for dataset in made.series.datasets}
    for kind, report in made.reports.items():
        listed = [
            str(item.ReferencedSOPInstanceUID)
            for study in report.CurrentRequestedProcedureEvidenceSequence
            for series in study.ReferencedSeriesSequence
            for item in series.ReferencedSOPSequence
        ]
        referred = {
            str(reference.ReferencedSOPInstanceUID)
            for item in content_items(report)
            for reference in item.get("ReferencedSOPSequence", ())
        }
        assert len(set(listed)) == len(listed), kind
        assert set(listed) == read | referred, kind


def test_check_10_flags_say_complete_preliminary_unverified(made: Made) -> None:
    """COMPLETE, PRELIMINARY, UNVERIFIED and nobody who verified."""
    assert "TEXT-SR" in made.reports
    for kind, report in made.reports.items():
        flags = (report.CompletionFlag, report.PreliminaryFlag, report.VerificationFlag)
        assert flags == ("COMPLETE", "PRELIMINARY", "UNVERIFIED"), kind
        assert "VerifyingObserverSequence" not in report


def test_check_11_no_report_mixes_kinds_of_group(made: Made) -> None:
    """Groups with coordinates and groups without stand in different reports."""
    for kind, report in made.reports.items():
        drawn = {
            any(item.ValueType in ("SCOORD", "SCOORD3D") for item in content_items(group))
            for group in groups_of(report)
        }
        assert len(drawn) <= 1, kind


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),  # PS3.5 H.3
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 144", "Люкceмбypг"),  # noqa: RUF001  # PS3.5 K
        ("", "Test^Head"),
    ],
    ids=["IR 87", "GB18030", "IR 144", "none"],
)
def test_check_15_names_survive_every_character_set(tmp_path: Path, character_set: str | list[str], name: str) -> None:
    """Whatever the source is encoded in, every result has the same name, in UTF-8, and is valid."""
    write_mr_series(tmp_path / "source", character_set=character_set, patient_name=name)
    series = load(tmp_path / "source")
    case = case_of(series, a_reading(series), a_card())
    objects = build(case)
    output_gate.check(objects, case)
    for each in objects:
        dataset = dcmread(BytesIO(each.data))
        assert dataset.SpecificCharacterSet == "ISO_IR 192"
        assert str(dataset.PatientName) == name, each.kind
        file = tmp_path / f"{each.kind}.dcm"
        file.write_bytes(each.data)
        assert told("dciodvfy", [file]) == (), each.kind


def test_check_16_defects_of_a_source_are_repaired_or_refused_by_name(tmp_path: Path) -> None:
    """Missing Type 2 and a sex 'U' are repaired, told, and the results valid; no frame of reference is refused."""
    missing = ("AccessionNumber", "StudyID", "StudyTime", "PatientBirthDate")
    write_mr_series(tmp_path / "source", without=missing, attributes={"PatientSex": "U"})
    series = load(tmp_path / "source")
    case = case_of(series, a_reading(series), a_card())
    objects = build(case)
    output_gate.check(objects, case)
    sentences = ""
    for each in objects:
        dataset = dcmread(BytesIO(each.data))
        assert all(dataset.get(keyword) == "" or dataset.get(keyword) is None for keyword in (*missing, "PatientSex"))
        file = tmp_path / f"{each.kind}.dcm"
        file.write_bytes(each.data)
        assert told("dciodvfy", [file]) == (), each.kind
        sentences += " ".join(str(item.TextValue) for item in content_items(dataset) if "TextValue" in item)
    assert "Patient's Sex (0010,0040) was none of M, F and O and is sent empty." in sentences
    for keyword in missing:
        assert re.search(rf"{standard_name(keyword)} \(.{{9}}\) was missing and is sent empty", sentences), keyword
    write_mr_series(tmp_path / "adrift", without=("FrameOfReferenceUID",))
    adrift = load(tmp_path / "adrift")
    with pytest.raises(SourceRefused, match=r"Frame of Reference UID \(0020,0052\) is missing"):
        build(case_of(adrift, a_reading(adrift), a_card()))


def standard_name(keyword: str) -> str:
    """Return an attribute's name as the standard has it."""
    return re.escape(dictionary_description(tag_for_keyword(keyword) or 0))


@pytest.fixture
def dicomweb(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[OrthancServer]:
    """An Orthanc that speaks DICOMweb."""
    (tmp_path / "orthanc").mkdir()
    http_port = free_port()
    server = OrthancServer(
        tmp_path / "orthanc",
        dicom_port=free_port(),
        http_port=http_port,
        dicomweb_host=f"127.0.0.1:{http_port}",
    )
    server.start()
    yield server
    server.stop()


def test_check_19_the_bundle_over_stow_rs(tmp_path: Path, dicomweb: OrthancServer) -> None:
    """STOW-RS takes the bundle, QIDO-RS lists each series once, and storing it again makes no duplicate."""
    sources = write_mr_series(tmp_path / "source")
    dicomweb.take(sources)
    series = load(tmp_path / "source")
    objects = build(case_of(series, everything(series), a_nodule_card()))
    study = str(series.datasets[0].StudyInstanceUID)
    with httpx.Client(base_url=f"{dicomweb.url}/dicom-web", timeout=60) as client:
        for _ in range(2):
            answer = stow(client, study, [each.data for each in objects])
            assert answer.status_code == 200, answer.text
            stored = answer.json()["00081199"]["Value"]
            assert len(stored) == len(objects)
            assert "00081198" not in answer.json() or not answer.json()["00081198"].get("Value")
            found = client.get(f"/studies/{study}/series", headers={"Accept": "application/dicom+json"}).json()
            uids = [item["0020000E"]["Value"][0] for item in found]
            expected = {each.series_instance_uid for each in objects} | {str(series.datasets[0].SeriesInstanceUID)}
            assert sorted(uids) == sorted(expected)
            instances = client.get(f"/studies/{study}/instances").json()
            assert len(instances) == len(sources) + len(objects)
    for each in objects:
        assert archived(dicomweb, each.sop_instance_uid) == each.data, each.kind


def stow(client: httpx.Client, study: str, files: list[bytes]) -> httpx.Response:
    """Store instances in a study (PS3.18 10.5)."""
    boundary = "wetread-test-boundary"
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(head + data + b"\r\n" for data in files) + f"--{boundary}--\r\n".encode()
    message = Message()
    message.add_header("Content-Type", "multipart/related", type="application/dicom", boundary=boundary)
    headers = {"Content-Type": message["Content-Type"], "Accept": "application/dicom+json"}
    return client.post(f"/studies/{study}", content=body, headers=headers)


def archived(orthanc: OrthancServer, sop_instance_uid: str) -> Any:
    """Return the bytes that the archive holds of an instance."""
    (name,) = orthanc.rest("/tools/lookup", body=sop_instance_uid.encode())
    return orthanc.rest(f"/instances/{name['ID']}/file")


def test_check_20_a_radiograph_without_a_frame_of_reference(tmp_path: Path) -> None:
    """A DX image gives a SEG on its pixels without a frame of reference, and TID 1501 groups that name the image."""
    source = write_planar_image(tmp_path / "source/dx.dcm", a_chest())
    series = load(tmp_path / "source")
    reading = replace(a_reading(series), findings=classified(series).findings)
    case = case_of(series, reading, a_card())
    objects = build(case)
    output_gate.check(objects, case)
    files = {each.kind: tmp_path / f"{each.kind}.dcm" for each in objects}
    for each in objects:
        files[each.kind].write_bytes(each.data)
        assert told("dciodvfy", [files[each.kind]]) == (), each.kind
    assert told("dcentvfy", [source, *files.values()]) == ()
    seg = dcmread(files["SEG"])
    assert not seg.get("FrameOfReferenceUID")
    assert reading.labels is not None
    for frame, label in zip(seg.pixel_array, (structure.label for structure in reading.structures), strict=True):
        assert np.array_equal(frame.astype(bool), reading.labels[0] == label.number)
    answers = [group for group in groups_of(dcmread(files["SR"])) if children(group, "111012", "DCM")]
    assert len(answers) == 2
    for group in answers:
        (item,) = [child for child in group.ContentSequence if child.ValueType == "IMAGE"]
        assert item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == series.datasets[0].SOPInstanceUID
