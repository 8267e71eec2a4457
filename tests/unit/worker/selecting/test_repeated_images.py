"""An image that came twice with different pixels, and whose newest was read: the results say so."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from dicom_node.study import AssembledSeries
from models.catalog import Catalog
from tests.reading_house import House, Read
from tests.readings import a_card, a_reading, case_of, load
from tests.unit.worker.conftest import assembled
from worker.case.finding_sentences import scope_of
from worker.instances.series_repairs import came_with_another_place, came_with_other_content, came_with_other_pixels
from worker.intake.intake import Intake
from worker.jobs.job import JobState
from worker.languages import LANGUAGES, Language
from worker.ledger.ledger import Ledger
from worker.recipe import superseding
from worker.selecting.repeated_images import repeated_images
from worker.settings import ModelsSettings, ReportSettings
from worker.testing import write_mr_series

TOLD = "Image 5 came more than once with different pixels: the newest was read."


def other_pixels(image: Dataset) -> None:
    """Another picture."""
    image.PixelData = bytes(len(image.PixelData) - 2) + b"\x07\x07"


def another_place(image: Dataset) -> None:
    """The picture of another slope."""
    image.RescaleSlope = 2


def another_name(image: Dataset) -> None:
    """A corrected header."""
    image.PatientName = "Corrected"


def come_again(file: Path, change: Callable[[Dataset], None], version: int = 1) -> Path:
    """Let an image come again, changed; return the file as the spool names it, which is newer."""
    again = file.with_name(f"{file.stem.partition('~')[0]}~{version:016x}.dcm")
    image = dcmread(file)
    change(image)
    image.save_as(again)
    os.utime(file, ns=(version, version))
    return again


def read_with(files: list[Path], *again: Path) -> list[Path]:
    """Return the files of a series, of images that came again the newest."""
    newest = {file.name.partition("~")[0]: file for file in again}
    return [newest.get(file.stem, file) for file in files]


def test_an_admins_retry_says_what_was_read(tmp_path: Path, ledger: Ledger) -> None:
    """The job is held, and queued again: the text SR and the timeline tell of it; of a study without such nothing."""
    house = House(root=tmp_path, ledger=ledger, priors=False, kinds=("TEXT-SR",))
    plain = house.read_files(write_mr_series(tmp_path / "spool" / "2" / "a", seed=2))
    assert not [told for told in (*plain.sentences, *plain.notes) if "more than once" in told]
    files = write_mr_series(tmp_path / "spool" / "1" / "a")
    names = [file.relative_to(tmp_path / "spool") for file in (*files, come_again(files[4], other_pixels))]
    series = AssembledSeries(series_instance_uid="1.2.3.1", files=tuple(map(str, names)))
    Intake(
        ledger=ledger,
        catalog=lambda: Catalog.scan((tmp_path / "models",)),
        spool=tmp_path / "spool",
        settings=ModelsSettings(),
    ).close_revision(replace(assembled(), folder="1", series=(series,)))
    assert not house.pipeline().work_one(["cpu"], "test")
    (held, _) = ledger.jobs()
    assert held.state is JobState.HELD
    ledger.retry(held.id)
    assert house.pipeline().work_one(["cpu"], "test")
    read = Read(house, ledger.jobs()[0])
    assert TOLD in read.sentences
    assert TOLD in read.notes


def test_what_is_read_decides(tmp_path: Path) -> None:
    """Nothing is told of a corrected header, nor of a version that came after what is read: it has its own job."""
    files = write_mr_series(tmp_path)
    assert repeated_images(files) == ()
    corrected = come_again(files[3], another_name)
    assert repeated_images(read_with(files, corrected)) == ()
    later = come_again(files[4], other_pixels)
    assert repeated_images(read_with(files, corrected)) == ()
    assert repeated_images(read_with(files, corrected, later)) == (TOLD,)


def test_a_corrected_header_of_a_disputed_image_is_disputed(tmp_path: Path) -> None:
    """The newest differs from the first, whatever came between; several are told in one sentence, with their number."""
    files = write_mr_series(tmp_path)
    again = [come_again(files[place], other_pixels) for place in (0, 6, 7, 8)]
    again[0] = come_again(again[0], another_name, version=2)
    assert repeated_images(read_with(files, *again)) == (
        "4 images came more than once with different pixels, the newest of each was read: 1, 7-9.",
    )


def test_what_is_no_change_of_pixels_is_not_called_one(tmp_path: Path) -> None:
    """The place or the scale; what cannot be parsed any more counts as other pixels."""
    files = write_mr_series(tmp_path)
    placed, torn = come_again(files[1], another_place), come_again(files[4], another_name)
    files[4].write_bytes(files[4].read_bytes()[:400])
    os.utime(files[4], ns=(1, 1))
    assert repeated_images(read_with(files, placed, torn)) == (
        TOLD,
        "Image 2 came more than once with another place or scale: the newest was read.",
    )


def without_a_number(image: Dataset) -> None:
    """Other pixels, and no Instance Number."""
    other_pixels(image)
    image.InstanceNumber = None


def test_without_a_number_of_its_own_it_is_counted(tmp_path: Path) -> None:
    """An image that has none, and those of a channel: "image 5" is one of the first series."""
    first, channel = write_mr_series(tmp_path / "a"), write_mr_series(tmp_path / "b", seed=1)
    again = [come_again(first[0], without_a_number), come_again(channel[4], other_pixels)]
    files = [*read_with(first, again[0]), *read_with(channel, again[1])]
    assert repeated_images(files) == (
        "Objects that came more than once with different content, of which the newest was read: 2.",
    )


def test_of_many_the_first_are_told_and_all_are_counted() -> None:
    """A sentence stays one that people read."""
    told = came_with_other_pixels(range(1, 99, 2))
    assert told.startswith("49 images ")
    assert told.endswith(": 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, \N{HORIZONTAL ELLIPSIS}.")
    assert "more than once" in came_with_other_pixels([2, 1])
    assert came_with_other_pixels([2, 1]).endswith(": 1-2.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_it(tmp_path: Path, language: Language) -> None:
    """In what was mended on the way, and not in the recipe alone."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    sentences = (
        *(came_with_other_pixels([5]), came_with_other_pixels([5, 7])),
        *(came_with_another_place([5]), came_with_another_place([5, 7]), came_with_other_content(5)),
    )
    case = case_of(series, a_reading(series), a_card(), report=ReportSettings(language=language))
    plain, told = scope_of(case), scope_of(replace(case, repeated=sentences))
    new = [sentence for sentence in told if sentence not in plain]
    assert len(new) == len(set(new)) == 5
    assert all("5" in sentence for sentence in new)
    assert (new[0] == TOLD) == (language == "en")
    digests = {superseding(replace(case, repeated=some), None).provenance.recipe_digest for some in ((), sentences)}
    assert len(digests) == 2
