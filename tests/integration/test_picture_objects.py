"""Objects for people, as independent readers see them: pictures, documents, presentation states, key objects."""

import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from models.findings import Reading
from ops.commands.known_false_alarms import real_problems
from tests.dcmtk import dcmtk
from tests.orthanc_server import OrthancServer
from tests.readings import (
    a_card,
    a_nodule_card,
    a_reading,
    an_ecg,
    an_ecg_card,
    an_ecg_reading,
    case_of,
    detections_reading,
    load,
    nothing_found,
)
from worker.case.case import Case
from worker.gate import output_gate
from worker.object_kinds import KINDS, Kind
from worker.objects.key_slices import key_slices
from worker.objects.object_encoding import ResultObject
from worker.planar_testing import write_planar_image
from worker.results import build
from worker.settings import ReportSettings
from worker.testing import write_mr_series

PICTURES: tuple[Kind, ...] = ("SEG", "TEXT-SR", "SC", "GSPS", "PDF", "KO")


def cases(folder: Path) -> dict[str, Case]:
    """Return structures, detections with and without masks, a negative in Japanese and an ECG."""
    write_mr_series(folder / "source", oblique=True, slices=20)
    series = load(folder / "source")
    return {
        "structures": case_of(series, a_reading(series), a_card()),
        "detections": case_of(series, detections_reading(series), a_nodule_card()),
        "outlines": case_of(series, detections_reading(series, masks=False), a_nodule_card()),
        "nothing": case_of(series, nothing_found(series), a_card(), report=ReportSettings(language="ja")),
        "ecg": case_of(an_ecg(), an_ecg_reading(), an_ecg_card()),
    }


def of_kind(objects: tuple[ResultObject, ...], kind: Kind) -> Dataset:
    """Return the object of a kind, read from its bytes."""
    return dcmread(BytesIO(next(made.data for made in objects if made.kind == kind)))


def test_each_is_valid_and_passes_the_gate(tmp_path: Path) -> None:
    """No complaint of dciodvfy but known false alarms about any of them; which there are depends on what was found."""
    expected: dict[str, set[str]] = {
        "structures": {"SEG", "TEXT-SR", "SC", "GSPS", "PDF", "KO"},
        "detections": {"SEG", "TEXT-SR", "SC", "GSPS", "PDF", "KO"},
        "outlines": {"TEXT-SR", "SC", "GSPS", "PDF", "KO"},
        "nothing": {"TEXT-SR", "SC", "PDF"},
        "ecg": {"TEXT-SR", "SC", "PDF", "KO"},
    }
    for name, case in cases(tmp_path).items():
        objects = build(case, PICTURES)
        assert {made.kind for made in objects} == expected[name], name
        if name != "ecg":
            output_gate.check(build(case, tuple(kind for kind in KINDS if kind != "LABELMAP")), case)
        for made in objects:
            file = tmp_path / f"{name}-{made.kind}.dcm"
            file.write_bytes(made.data)
            done = subprocess.run(["dciodvfy", str(file)], check=False, capture_output=True, text=True)
            assert real_problems("dciodvfy", done.stdout + done.stderr) == [], (name, made.kind)


def test_the_same_case_gives_the_same_bytes(tmp_path: Path) -> None:
    """Neither the PDF nor the presentation state holds a time of now or a random UID."""
    case = cases(tmp_path)["detections"]
    assert [made.data for made in build(case, PICTURES)] == [made.data for made in build(case, PICTURES)]


def test_dcmtk_opens_the_picture_and_the_document(tmp_path: Path) -> None:
    """dcmj2pnm decodes the Secondary Capture to its size; dcm2pdf takes out a PDF."""
    objects = build(cases(tmp_path)["structures"], PICTURES)
    for made in objects:
        (tmp_path / f"{made.kind}.dcm").write_bytes(made.data)
    subprocess.run([dcmtk("dcmj2pnm"), "+on", str(tmp_path / "SC.dcm"), str(tmp_path / "sc.png")], check=True)
    assert (tmp_path / "sc.png").read_bytes()[:4] == b"\x89PNG"
    subprocess.run([dcmtk("dcm2pdf"), str(tmp_path / "PDF.dcm"), str(tmp_path / "out.pdf")], check=True)
    assert (tmp_path / "out.pdf").read_bytes()[:5] == b"%PDF-"


def test_an_archive_takes_all_of_them(tmp_path: Path, orthanc: OrthancServer) -> None:
    """Orthanc stores each, every one in a series of its own."""
    objects = build(cases(tmp_path)["structures"], PICTURES)
    files = []
    for made in objects:
        files.append(tmp_path / f"{made.kind}.dcm")
        files[-1].write_bytes(made.data)
    orthanc.take(files)
    assert len(orthanc.rest("/series")) == len(objects)


def test_the_presentation_state_draws_the_outlines_on_their_images(tmp_path: Path) -> None:
    """Each outline lies within its image around the segment's voxels there, in a layer of the segment's name.

    The last layer says on every one of these images that nobody has verified it.
    """
    case = cases(tmp_path)["structures"]
    state = of_kind(build(case, PICTURES), "GSPS")
    labels = case.reading.labels
    assert labels is not None
    assert [layer.GraphicLayerDescription for layer in state.GraphicLayerSequence] == [
        "Cerebral cortex",
        "Left thalamus",
        "RESEARCH - AI, not verified - Test structures 1.2",
    ]
    places = {str(dataset.SOPInstanceUID): k for k, dataset in enumerate(case.series.datasets)}
    numbers = {"AI_1": 2, "AI_2": 5}
    drawn, told = set(), set()
    for annotation in state.GraphicAnnotationSequence:
        k = places[annotation.ReferencedImageSequence[0].ReferencedSOPInstanceUID]
        if annotation.GraphicLayer == "AI":
            assert "not verified" in annotation.TextObjectSequence[0].UnformattedTextValue
            told.add(k)
            continue
        rows, columns = np.nonzero(labels[k] == numbers[annotation.GraphicLayer])
        points = np.concatenate(
            [np.reshape(item.GraphicData, (-1, 2)) for item in annotation.GraphicObjectSequence]
        )  # column, row; the corner of the first pixel is (0, 0); lines are simplified by up to half a pixel
        assert points.min(axis=0) == pytest.approx((columns.min(), rows.min()), abs=0.5)
        assert points.max(axis=0) == pytest.approx((columns.max() + 1, rows.max() + 1), abs=0.5)
        drawn.add((k, annotation.GraphicLayer))
    assert drawn == {(k, layer) for layer, number in numbers.items() for k in range(20) if (labels[k] == number).any()}
    assert told == {k for k, _ in drawn}


def test_the_key_objects_are_the_slices_of_the_picture(tmp_path: Path) -> None:
    """The images that were chosen for the picture, and the picture; no image has a concept name."""
    case = cases(tmp_path)["detections"]
    objects = build(case, PICTURES)
    selection = of_kind(objects, "KO")
    images = [item for item in selection.ContentSequence if item.ValueType == "IMAGE"]
    chosen = [str(case.series.datasets[k].SOPInstanceUID) for k in key_slices(case.reading, 20)]
    picture = str(of_kind(objects, "SC").SOPInstanceUID)
    assert [item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in images] == [*chosen, picture]
    assert not any("ConceptNameCodeSequence" in item for item in images)


def test_no_patient_is_in_picture_or_document(tmp_path: Path) -> None:
    """A PDF's text and a picture's words are ours: the patient stands in the attributes alone."""
    write_mr_series(tmp_path / "source", patient_name="CANARY^NAME", patient_id="CANARY-ID")
    series = load(tmp_path / "source")
    objects = build(case_of(series, Reading(), a_card()), PICTURES)
    document = of_kind(objects, "PDF")
    assert b"CANARY" not in bytes(document.EncapsulatedDocument)
    assert str(document.PatientName) == "CANARY^NAME"


@pytest.mark.parametrize(
    ("kind", "photometric", "shape"),
    [("DX", "MONOCHROME1", (60, 50)), ("CR", "MONOCHROME2", (60, 50)), ("US multi-frame", "MONOCHROME2", (3, 60, 50))],
)
def test_dcmtk_shows_an_image_by_its_presentation_state(
    tmp_path: Path, kind: str, photometric: str, shape: tuple[int, ...]
) -> None:
    """dcmp2pgm, DCMTK's implementation of the grey pipeline, shows what is bright bright, MONOCHROME1 or not."""
    dark, bright = (200, 20) if photometric == "MONOCHROME1" else (20, 200)
    array = np.full(shape, dark, np.uint8)
    array[..., 20:40, 10:30] = bright
    source = write_planar_image(tmp_path / "source" / "1.dcm", array, kind=kind, photometric=photometric, bits=8)
    series = load(tmp_path / "source")
    case = case_of(series, detections_reading(series, masks=False), a_nodule_card())
    objects = build(case, ("SR", "REGION-SR", *PICTURES))
    output_gate.check(objects, case)
    for made in objects:
        (tmp_path / f"{made.kind}.dcm").write_bytes(made.data)
        done = subprocess.run(
            ["dciodvfy", str(tmp_path / f"{made.kind}.dcm")], check=False, capture_output=True, text=True
        )
        assert real_problems("dciodvfy", done.stdout + done.stderr) == [], made.kind
    shown = tmp_path / "shown.pgm"
    subprocess.run([dcmtk("dcmp2pgm"), "-p", str(tmp_path / "GSPS.dcm"), str(source), str(shown)], check=True)
    with Image.open(shown) as image:
        grey = np.asarray(image)
    assert grey.shape == shape[-2:]
    assert grey[25:35, 15:25].min() > grey[:15].max()
