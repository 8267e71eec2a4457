"""What all results share."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.readings import READ_AT, a_card, load, provenance_of
from worker.instances.source_repairs import identity_of
from worker.objects.object_encoding import local_time, series_description, series_number
from worker.provenance import Provenance
from worker.testing import write_mr_series

KINDS = ("SEG", "SR", "TEXT-SR", "ECG-SR")


@pytest.fixture
def provenance(tmp_path: Path) -> Provenance:
    """Of a small series."""
    write_mr_series(tmp_path, slices=2)
    return provenance_of(load(tmp_path), a_card())


def test_series_are_numbered_apart(provenance: Provenance) -> None:
    """Every kind has a number of its own at or above 9000."""
    numbers = {series_number(provenance, kind) for kind in KINDS}  # type: ignore[arg-type]
    assert len(numbers) == len(KINDS)
    assert min(numbers) >= 9000


def test_the_description_says_research_unless_cleared(tmp_path: Path, provenance: Provenance) -> None:
    """RESEARCH stands first for a research model and nowhere for a cleared one; the longest name still fits an LO."""
    assert series_description(provenance, "SEG") == "RESEARCH AI Test structures SEG"
    cleared = a_card(regulatory={"status": "cleared", "udi": "x", "regions": ["EU"]}, name="n" * 40)
    assert series_description(provenance_of(load(tmp_path), cleared), "SR") == f"AI {'n' * 40} SR"
    longest = provenance_of(load(tmp_path), a_card(name="n" * 40))
    assert len(series_description(longest, "TEXT-SR")) <= 64


@pytest.mark.parametrize(("zone", "hours"), [("+0530", 5.5), ("-0800", -8.0)])
def test_times_are_in_the_zone_that_the_source_names(tmp_path: Path, zone: str, hours: float) -> None:
    """Timezone Offset From UTC speaks for all times of an object, so ours are told in it."""
    write_mr_series(tmp_path, slices=2, attributes={"TimezoneOffsetFromUTC": zone})
    series = load(tmp_path)
    told = local_time(provenance_of(series, a_card()), identity_of(series.datasets[0]))
    assert told == READ_AT
    assert told.utcoffset() == timedelta(hours=hours)
