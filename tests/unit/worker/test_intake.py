"""What models want to be told of a study."""

from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node.study import SeriesWish
from models.catalog import Catalog
from models.testing import write_threshold_model
from worker.intake import Intake
from worker.ledger import Ledger
from worker.settings import ModelsSettings


@pytest.mark.parametrize(
    ("triggers", "channels", "wish"),
    [
        (["study"], (), SeriesWish.NOTHING),
        (["study", "series"], (), SeriesWish.EACH),
        (["series", "series"], ("flair",), SeriesWish.TOGETHER),
        (["study"], ("flair",), SeriesWish.NOTHING),
    ],
)
def test_series_are_told_as_the_cards_need_it(
    tmp_path: Path, ledger: Ledger, triggers: list[str], channels: tuple[str, ...], wish: SeriesWish
) -> None:
    """Not at all where every model waits for the study, and together where one of the others reads several series."""
    for number, trigger in enumerate(triggers):
        write_threshold_model(tmp_path, id=f"model-{number}", trigger=trigger)
    entries = Catalog.scan([tmp_path]).entries
    first = entries["model-0"]
    preparation = first.card.preparation.model_copy(update={"channels": channels})
    entries["model-0"] = replace(first, card=first.card.model_copy(update={"preparation": preparation}))
    catalog = Catalog(entries=entries)

    def intake(*enabled: str) -> Intake:
        settings = ModelsSettings(enabled=enabled)
        return Intake(ledger=ledger, catalog=lambda: catalog, spool=tmp_path, settings=settings)

    assert intake().series_wish() is wish
    assert intake("another").series_wish() is SeriesWish.NOTHING
