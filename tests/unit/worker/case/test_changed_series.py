"""A read that was made on another series than the one before says so, and names both."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.reading_house import House, Read
from tests.readings import a_card, a_reading, case_of, load
from worker.case.case import Case
from worker.case.changed_series import changed_series
from worker.case.finding_sentences import scope_of
from worker.case.foremost_words import foremost_sentences
from worker.languages import LANGUAGES, Language
from worker.ledger.ledger import Ledger
from worker.recipe import recipe_digest, superseding
from worker.settings import ReportSettings
from worker.testing import write_mr_series

BOTH = "Another series was read than before: series 2, not series 3."


def two_series(folder: Path, before: dict[str, Any] | None = None, **now: Any) -> tuple[list[Path], list[Path]]:
    """Write what is read, series 2 of a study, and what was read before, series 3 of it."""
    first = write_mr_series(folder / "3", attributes=before)
    study = {"StudyInstanceUID": load(folder / "3").datasets[0].StudyInstanceUID, "SeriesNumber": 2}
    return write_mr_series(folder / "2", seed=1, attributes=study | now), first


def a_change(folder: Path, language: Language = "en", before: dict[str, Any] | None = None, **now: Any) -> Case:
    """Return the case of series 2, where series 3 was read before."""
    changed = changed_series(*two_series(folder, before, **now), {})
    series = load(folder / "2")
    case = case_of(series, a_reading(series), a_card(), report=ReportSettings(language=language))
    return replace(case, changed=changed)


def delivered(ledger: Ledger) -> None:
    """Let an archive have taken everything."""
    with ledger.writing() as session:
        session.execute(text("UPDATE delivery SET state = 'accepted', attempts = 1"))


def test_a_better_series_that_came_later_is_told(tmp_path: Path, ledger: Ledger) -> None:
    """From the ledger into the text SR; of the same series with more images nothing is said."""
    house = House(root=tmp_path, ledger=ledger, priors=False, kinds=("SR", "TEXT-SR"))
    now, before = two_series(tmp_path / "spool" / "1")
    house.queue_files(before[1:])
    assert house.pipeline().work_one(["cpu"], "test")
    delivered(ledger)
    same = house.read_files(before)
    assert any("later images came" in line for line in same.sentences)
    assert not any("Another series" in line for line in same.sentences)
    delivered(ledger)
    other = house.read_files(now)
    assert BOTH in other.sentences
    assert other.sentences.index(BOTH) == 1 + next(
        place for place, line in enumerate(other.sentences) if line.startswith("Supersedes the read of")
    )
    made = {kind: file.read_bytes() for kind, file in other.files.items()}
    ledger.hold_job(other.job.id)
    ledger.retry(other.job.id)
    assert house.pipeline().work_one(["cpu"], "test")
    again = Read(house, ledger.jobs(limit=1)[0])
    assert {kind: file.read_bytes() for kind, file in again.files.items()} == made, "the same input, the same bytes"


def test_what_has_not_left_the_house_is_no_read_before(tmp_path: Path, ledger: Ledger) -> None:
    """Nobody has seen its numbers."""
    house = House(root=tmp_path, ledger=ledger, priors=False, kinds=("TEXT-SR",))
    now, before = two_series(tmp_path / "spool" / "1")
    house.read_files(before)
    assert not any("Another series" in line for line in house.read_files(now).sentences)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_it(tmp_path: Path, language: Language) -> None:
    """With the numbers of both."""
    (told,) = foremost_sentences(a_change(tmp_path, language))
    assert "2" in told
    assert "3" in told
    assert (told == BOTH) == (language == "en")


def test_series_of_one_number_are_named_by_their_uids(tmp_path: Path) -> None:
    """As those that have none: "series 2, not series 2" says nothing."""
    for place, number in enumerate((3, None)):
        case = a_change(tmp_path / str(place), SeriesNumber=number)
        (told,) = foremost_sentences(case)
        uids = [str(load(tmp_path / str(place) / name).datasets[0].SeriesInstanceUID) for name in ("2", "3")]
        assert told == "Another series was read than before: series {}, not series {}.".format(*uids)


def test_a_series_that_is_no_longer_here_is_not_named(tmp_path: Path) -> None:
    """Or that nobody can read any more: that it was another one is told all the same."""
    now, before = two_series(tmp_path)
    before[0].write_bytes(b"no DICOM")
    for file in before[1:]:
        file.unlink()
    series = load(tmp_path / "2")
    case = replace(case_of(series, a_reading(series), a_card()), changed=changed_series(now, before, {}))
    assert foremost_sentences(case) == ("Another series was read than before, which is no longer here: now series 2.",)


def test_both_are_described_unless_that_names_somebody(tmp_path: Path) -> None:
    """In what was looked at, where the description of a series stands."""
    described = a_change(tmp_path / "a", before={"SeriesDescription": "T1 sag"}, SeriesDescription="T1 tra")
    told = [line for line in scope_of(described) if "Description" in line]
    assert told == [
        "Description of the series that was read: T1 tra",
        "Description of the series that was read before: T1 sag",
    ]
    naming = a_change(tmp_path / "b", before={"SeriesDescription": "head of Test"}, SeriesDescription="TEST-1 tra")
    assert not [line for line in scope_of(naming) if "Description" in line]


def test_a_description_in_unknown_characters_is_not_guessed(tmp_path: Path) -> None:
    """The number is told, and nothing fails."""
    latin = {"SpecificCharacterSet": "ISO_IR 100", "SeriesDescription": "Sch\N{LATIN SMALL LETTER A WITH DIAERESIS}del"}
    now, before = two_series(tmp_path, before=latin)
    assert changed_series(now, before, {})[0].before.description == latin["SeriesDescription"]  # type: ignore[union-attr]
    for file in before:
        file.write_bytes(file.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 6  "))
    (change,) = changed_series(now, before, {})
    assert change.before is not None
    assert (change.before.number, change.before.description) == ("3", "")


def test_a_channel_that_changed_is_told_by_itself(tmp_path: Path) -> None:
    """The first series is the same; a series that was read with none before is no change."""
    now, before = two_series(tmp_path)
    first = write_mr_series(tmp_path / "first", seed=2)
    (change,) = changed_series([*first, *now], [*first, *before], {})
    assert (change.now.number, change.before and change.before.number) == ("2", "3")
    assert changed_series([*first, *now], first, {}) == ()


def test_what_is_told_is_in_the_recipe(tmp_path: Path) -> None:
    """Other words are another result."""
    case = a_change(tmp_path)
    plain = superseding(case, None)
    told = superseding(case, None, case.changed)
    assert (plain.changed, told.changed) == ((), case.changed)
    assert plain.provenance.recipe_digest != told.provenance.recipe_digest
    assert recipe_digest("r", ReportSettings()) == recipe_digest("r", ReportSettings(), changed=())
