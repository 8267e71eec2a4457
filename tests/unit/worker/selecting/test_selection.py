"""Which models read which series, and why not."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.study import AssembledSeries, AssembledStudy, Completion
from models.card.manifest import Card
from models.catalog import read_entry
from models.testing import write_threshold_model
from worker.selecting.other_series import OtherSeries
from worker.selecting.selection import Choice, choose, input_key
from worker.selecting.selection_rules import tags_of
from worker.selecting.selection_summary import SeriesSummary, StudySummary, summarise
from worker.testing import write_mr_series

MR = "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def card(tmp_path: Path) -> Card:
    """A card whose parts the tests replace."""
    return read_entry(write_threshold_model(tmp_path / "models")).card


def with_rules(card: Card, **rules: object) -> Card:
    """Return the card with other selection rules."""
    return card.model_copy(update={"selection": rules})


def series(uid: str = "1.2", **changes: object) -> SeriesSummary:
    """Return a head series that fits everything."""
    values: dict[str, object] = {
        "series_instance_uid": uid,
        "files": (f"{uid}/a.dcm",),
        "sop_classes": (MR,),
        "modality": "MR",
        "images": 180,
        "image_types": ("ORIGINAL", "PRIMARY"),
        "slice_spacing_mm": 1.0,
        "coverage_mm": 179.0,
    }
    return SeriesSummary(**(values | changes))  # type: ignore[arg-type]


def study(*of: SeriesSummary, **changes: object) -> StudySummary:
    """Return a study of one adult."""
    values: dict[str, object] = {
        "study_instance_uid": "1",
        "series": of,
        "patient_ids": 1,
        "age_years": 40.0,
        "sex": "F",
    }
    return StudySummary(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rules", "changes", "reason"),
    [
        ({"modality": ["CT"]}, {}, "modality MR, not CT"),
        ({"sop_classes": ["CT Image Storage"]}, {}, "another kind of object"),
        ({"min_slices": 200}, {}, "180 slices, at least 200 needed"),
        ({"max_slices": 100}, {}, "180 slices, at most 100 allowed"),
        ({"max_slice_spacing_mm": 0.5}, {}, "slices up to 1 mm apart, at most 0.5 mm allowed"),
        ({"max_slice_spacing_mm": 3}, {"slice_spacing_mm": 3.04}, "slices up to 3.04 mm apart, at most 3 mm allowed"),
        ({"max_slice_spacing_mm": 0.5}, {"slice_spacing_mm": None}, "no slice spacing"),
        ({"min_coverage_mm": 200}, {}, "covers 179 mm, at least 200 mm needed"),
        ({"min_coverage_mm": 120}, {"coverage_mm": 119.96}, "covers 119.96 mm, at least 120 mm needed"),
        ({"image_type_excludes": ["localizer"]}, {"image_types": ("ORIGINAL", "LOCALIZER")}, "image type LOCALIZER"),
        ({"description_excludes": "scout"}, {"series_description": "3-plane SCOUT"}, "its description is excluded"),
        ({"body_part_examined": ["HEAD"]}, {"body_part_examined": "KNEE"}, "another body part"),
        ({}, {"own": True}, "made by wetread"),
        ({}, {"unreadable": ("x.dcm",)}, "1 files cannot be parsed, the first is x.dcm"),
    ],
)
def test_why_a_series_is_not_read(
    card: Card, rules: dict[str, object], changes: dict[str, object], reason: str
) -> None:
    """Each rule that speaks against a series is told in the reason that the ledger keeps."""
    choice = choose(with_rules(card, **rules), study(series(**changes)))
    assert not choice.runs
    assert reason in choice.reason


def test_a_body_part_is_the_same_in_small_letters(card: Card) -> None:
    """Some devices write it so, against its value representation; as well the modality."""
    assert choose(with_rules(card, body_part_examined=["HEAD"]), study(series(body_part_examined="Head"))).runs
    assert choose(with_rules(card, modality=["mr"]), study(series(modality="mr"))).runs


def test_the_best_series_is_read(card: Card) -> None:
    """Of several that fit: the thinnest slices, then the most, then the first UID."""
    thick, thin, long = series("1", slice_spacing_mm=2.0), series("2"), series("3", images=200)
    choice = choose(with_rules(card, modality=["MR"]), study(thick, thin, long))
    assert (choice.runs, choice.series_instance_uid, choice.files) == (True, "3", long.files)
    assert choice.reason == "the best of 3 series that fit"
    assert choose(with_rules(card), study(series("5"), series("4"))).series_instance_uid == "4"


def test_the_first_of_equals_is_told(card: Card) -> None:
    """Where only the UID decides, as between two views that are a series each, the reason says so."""
    views = [series(uid, slice_spacing_mm=None, coverage_mm=None, images=1) for uid in ("6", "5")]
    choice = choose(with_rules(card), study(*views, series("4", slice_spacing_mm=None, images=0)))
    assert choice.series_instance_uid == "5"
    assert choice.reason == "the best of 2 series that fit (2 of them equally well, of which this has the first UID)"


def test_of_equals_the_one_that_was_read_before_is_read(card: Card) -> None:
    """A tie changes nothing of what is measured; a better series is read all the same, and one that is gone is not."""
    two = study(series("2"), series("3"))
    kept = choose(with_rules(card), two, read_before=("3/a.dcm", "3/b.dcm"))
    assert (kept.series_instance_uid, kept.files, kept.others) == ("3", ("3/a.dcm",), OtherSeries(series=1, images=1))
    assert kept.reason == "the best of 2 series that fit (2 of them equally well, of which this was read before)"
    better = study(series("2", images=181), series("3"))
    assert choose(with_rules(card), better, read_before=("3/a.dcm",)).series_instance_uid == "2"
    assert choose(with_rules(card), two, read_before=("9/a.dcm",)).series_instance_uid == "2"


def test_channels_are_read_as_what_they_were_read_before(card: Card) -> None:
    """Four equal series, two of which were the first one and its channel."""
    preparation = card.preparation.model_copy(update={"channels": ("flair",)})
    two = with_rules(card, channels={"flair": {}}).model_copy(update={"preparation": preparation})
    four = study(*map(series, "1234"))
    assert choose(two, four).files == ("1/a.dcm", "2/a.dcm")
    assert choose(two, four, read_before=("4/a.dcm", "3/a.dcm")).files == ("4/a.dcm", "3/a.dcm")
    assert choose(two, four, read_before=("4/a.dcm",)).files == ("4/a.dcm", "1/a.dcm")
    assert choose(two, study(series("1"))).reason == "channel flair: the study has no further series"


def test_what_fits_as_well_and_is_not_read_is_counted(card: Card) -> None:
    """Of volumes those that only the UID puts behind; of images without a place in space all, each being a view."""
    placed = {"orientation": "axial"}
    volumes = study(series("1", **placed), series("2", **placed), series("3", slice_spacing_mm=5.0, **placed))
    assert choose(with_rules(card), volumes).others == OtherSeries(series=1, images=1)
    flat = {"slice_spacing_mm": None, "coverage_mm": None}
    two = ("4/a.dcm", "4/b.dcm")
    views = study(
        series("4", images=2, files=two, **flat), series("5", images=9, **flat), series("6", own=True, **flat)
    )
    choice = choose(with_rules(card), views)
    assert (choice.series_instance_uid, choice.others) == ("5", OtherSeries(series=1, images=2))
    assert not choose(with_rules(card), study(series("1"))).others


@pytest.mark.parametrize(
    ("patient", "changes", "reason"),
    [
        ({"age_years": {"min": 18.0}}, {"age_years": 12.0}, "outside the card's"),
        ({"age_years": {"min": 18.0}}, {"age_years": None}, "age is not known"),
        ({"sex": ("M",)}, {}, "sex is not among"),
        ({}, {"patient_ids": 2}, "two patient ids"),
    ],
)
def test_whom_a_model_may_read(card: Card, patient: dict[str, object], changes: dict[str, object], reason: str) -> None:
    """A patient outside the card is not read, and the reason does not tell the age."""
    limited = card.model_copy(update={"patient": card.patient.__class__.model_validate(patient)})
    choice = choose(limited, study(series(), **changes))
    assert not choice.runs
    assert reason in choice.reason
    assert "12" not in choice.reason.replace("at least", "")


def test_research_models_can_be_switched_off(card: Card) -> None:
    """A site that wants cleared models only gets no others."""
    assert "research" in choose(card, study(series()), research=False).reason


def test_a_card_with_wrong_rules_reads_nothing_and_says_why(card: Card) -> None:
    """One bad card is told in its own reason; the study and the other models go on."""
    choice = choose(with_rules(card, min_slice=3), study(series()))
    assert not choice.runs
    assert "selection.min_slice: unknown key, did you mean min_slices?" in choice.reason


def test_the_input_key_is_of_the_set() -> None:
    """Order does not matter, nor does a corrected header; other images, or other pixels, are another input."""

    def key(*files: str, held: str = "") -> str:
        return input_key(Choice(model_id="m", runs=True, files=files, reason="", held=held))

    image, version = f"a/b/{'0' * 32}.dcm", f"a/b/{'0' * 32}~{'1' * 16}.dcm"
    assert key("a", "b") == key("b", "a") != key("a", "c")
    assert key(image) == key(version)
    assert key(version, held="contradictory") != key(image)


def test_a_contradiction_holds_the_job(card: Card) -> None:
    """A series that fits and whose images came with other pixels is not read before an admin has looked."""
    choice = choose(with_rules(card), study(series(disputed=("s/a.dcm", "s/b.dcm"))))
    assert choice.runs
    assert "(s/a.dcm and 1 more); which one is right? `wetread retry`" in choice.held
    damaged = choose(with_rules(card), study(series(disputed=("s/a.dcm",), zeroed=True)))
    assert "(s/a.dcm); which one is right? The earlier one holds nothing but zeros where it differs" in damaged.held
    assert not choose(with_rules(card), study(series())).held


def test_a_summary_knows_geometry_and_no_patient(tmp_path: Path) -> None:
    """What selection keeps of real files: extent and kind; of the patient only age and sex."""
    files = write_mr_series(
        tmp_path / "spool" / "s" / "a",
        slices=12,
        patient_name="CANARY^NAME",
        patient_id="CANARY-ID",
        attributes={"PatientBirthDate": "19500101", "PatientSex": "F", "StudyDate": "20200101"},
        without=("PatientAge",),
    )
    (tmp_path / "spool" / "s" / "a" / "bad.dcm").write_bytes(b"not DICOM")
    names = (*(f"s/a/{file.name}" for file in files), "s/a/bad.dcm")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assembled = AssembledStudy(
        study_instance_uid="1",
        folder="s",
        series=(AssembledSeries(series_instance_uid="1.1", files=names),),
        completion=Completion.QUIET,
        calling_ae_title="X",
        first_received_at=now,
        last_received_at=now,
    )
    summary = summarise(tmp_path / "spool", assembled)
    (only,) = summary.series
    assert (only.modality, only.images, only.sop_classes) == ("MR", 12, (MR,))
    assert only.slice_spacing_mm == pytest.approx(3.0)
    assert only.coverage_mm == pytest.approx(33.0)
    assert only.unreadable == ("bad.dcm",)
    assert summary.age_years == pytest.approx(70.0, abs=0.01)
    assert (summary.sex, summary.patient_ids) == ("F", 1)
    assert "CANARY" not in summary.model_dump_json()
    assert "19500101" not in summary.model_dump_json()


@pytest.mark.parametrize(
    ("image_type", "kept"),
    [
        (["ORIGINAL", "PRIMARY", "LOCALIZER "], ("LOCALIZER", "ORIGINAL", "PRIMARY")),
        (["ORIGINAL", "LOCALIZER ", "M"], ("LOCALIZER", "M", "ORIGINAL")),
        (["ORIGINAL", " LOCALIZER"], ("LOCALIZER", "ORIGINAL")),
    ],
)
def test_spaces_around_a_value_mean_nothing(
    card: Card, tmp_path: Path, image_type: list[str], kept: tuple[str, ...]
) -> None:
    """PS3.5 6.2: what a card excludes is excluded, and what it asks for is found, however a value is padded."""
    padded = {
        "ImageType": image_type,
        "Modality": " MR",
        "BodyPartExamined": " HEAD",
        "SeriesDescription": " scout",
        "ScanningSequence": ["GR ", " IR"],
        "ScanOptions": " ",
    }
    files = write_mr_series(tmp_path / "spool" / "s", attributes=padded)
    assembled = _of_one_series(tuple(f"s/{file.name}" for file in files))
    asked = ("ScanningSequence", "ScanOptions")
    summary = summarise(tmp_path / "spool", assembled, asked)
    (only,) = summary.series
    assert (only.modality, only.body_part_examined, only.image_types) == ("MR", "HEAD", kept)
    assert only.tag_values == {"ScanningSequence": ("GR", "IR")}
    fits = {"modality": ["MR"], "body_part_examined": ["HEAD"]}
    asks = {"all": [{"tag": "ScanningSequence", "matches": "^(GR|IR)$"}, {"tag": "ScanOptions", "present": False}]}
    assert choose(with_rules(card, **fits, where=asks), summary).runs
    assert not choose(with_rules(card, image_type_excludes=["LOCALIZER"]), summary).runs
    assert not choose(with_rules(card, description_excludes=["^scout$"]), summary).runs


def _of_one_series(files: tuple[str, ...]) -> AssembledStudy:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return AssembledStudy(
        study_instance_uid="1",
        folder="s",
        series=(AssembledSeries(series_instance_uid="1.2", files=files),),
        completion=Completion.QUIET,
        calling_ae_title="PACS",
        first_received_at=now,
        last_received_at=now,
    )


def test_free_rules_look_at_any_attribute(card: Card, tmp_path: Path) -> None:
    """A card may ask for attributes that selection does not know by itself; they are read from the files."""
    files = write_mr_series(tmp_path / "spool" / "s", attributes={"EchoTime": "2.98", "ScanningSequence": ["GR", "IR"]})
    assembled = _of_one_series(tuple(f"s/{file.name}" for file in files))
    echo = {"tag": "EchoTime", "at_most": 10}
    fits = with_rules(card, where={"all": [echo, {"tag": "ScanningSequence", "matches": "GR|IR"}]})
    refuses = with_rules(card, where={"not": echo})
    summary = summarise(tmp_path / "spool", assembled, tags_of([fits, refuses]))
    assert summary.series[0].orientation == "axial"
    assert choose(fits, summary).runs
    assert "the card asks for not (EchoTime at most 10)" in choose(refuses, summary).reason
    assert "2.98" not in str(summary.series[0].for_ledger())


def test_codes_may_be_written_in_small_letters(card: Card) -> None:
    """DICOM has them in large ones; a card with "mr" had read nothing."""
    rules = {"modality": ["mr "], "body_part_examined": ["Head"]}
    assert choose(with_rules(card, **rules), study(series(body_part_examined="HEAD"))).runs


def test_slices_of_unknown_spacing_are_not_the_thickest(card: Card) -> None:
    """Nor the thinnest: a picture without a place in space is no better than slices."""
    of = study(series("1", slice_spacing_mm=None), series("2", slice_spacing_mm=5.0))
    for preference in ("thickest-slices", "thinnest-slices"):
        assert choose(with_rules(card, prefer=[preference]), of).series_instance_uid == "2"


def test_the_card_states_what_it_prefers(card: Card) -> None:
    """Of several series that fit the best by the card's own order is read."""
    thin = series("1.1", slice_spacing_mm=1.0, images=100, coverage_mm=99.0)
    long = series("1.2", slice_spacing_mm=3.0, images=60, coverage_mm=177.0)
    assert choose(card, study(thin, long)).series_instance_uid == "1.1"
    assert choose(with_rules(card, prefer=["largest-coverage"]), study(thin, long)).series_instance_uid == "1.2"
    assert choose(with_rules(card, prefer=["fewest-images"]), study(thin, long)).series_instance_uid == "1.2"


def test_an_orientation_may_be_asked_for(card: Card) -> None:
    """A sagittal series is refused by name where the card wants axial ones."""
    sagittal = choose(with_rules(card, orientation=["axial"]), study(series(orientation="sagittal")))
    assert "orientation sagittal, not axial" in sagittal.reason


@pytest.mark.parametrize(("digits", "oblique"), [(1, False), (3, False), (5, False), (4, True), (8, True)])
def test_slices_at_a_limit_are_within_it(tmp_path: Path, card: Card, digits: int, *, oblique: bool) -> None:
    """3 mm apart over 120 mm, from wherever the table stood and however positions are rounded: no gap is more."""
    for number in range(8):
        folder = tmp_path / "spool" / str(number)
        files = write_mr_series(folder, slices=41, rows=2, columns=2, oblique=oblique)
        for file in files:
            dataset = dcmread(file)
            place = [float(value) + 0.7 * number for value in dataset.ImagePositionPatient]
            dataset.ImagePositionPatient = [f"{value:.{digits}f}" for value in place]
            dataset.save_as(file)
        now = datetime(2026, 1, 1, tzinfo=UTC)
        assembled = AssembledStudy(
            study_instance_uid="1",
            folder=str(number),
            series=(
                AssembledSeries(series_instance_uid="1.1", files=tuple(f"{number}/{file.name}" for file in files)),
            ),
            completion=Completion.QUIET,
            calling_ae_title="X",
            first_received_at=now,
            last_received_at=now,
        )
        summary = summarise(tmp_path / "spool", assembled)
        choice = choose(with_rules(card, max_slice_spacing_mm=3.0, min_coverage_mm=120.0), summary)
        assert choice.runs, (choice.reason, summary.series[0].slice_spacing_mm)
