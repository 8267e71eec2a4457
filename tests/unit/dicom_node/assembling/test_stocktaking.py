"""What a study's folder holds."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from dicom_node.assembling.stocktaking import take_holdings, take_stock
from dicom_node.spooling.quarantine import QUARANTINE
from dicom_node.spooling.spool import Spool
from dicom_node.spooling.spool_layout import name_of
from dicom_node.study import Completion, Requested
from tests.unit.dicom_node.instances import STUDY, dataset, incoming


def store(spool: Spool, sop: str, series: str, **values: Any) -> str:
    """Keep an instance; return its file."""
    content = dataset(SOPInstanceUID=sop, SeriesInstanceUID=series, **values)
    return spool.store(*incoming(content, sop_instance_uid=sop)).file


def test_holdings_are_instances_by_series_without_our_own(tmp_path: Path) -> None:
    """Another version of an instance is the same instance; results of ours, and files that are none, are left out."""
    spool = Spool(tmp_path)
    store(spool, "1.2.1", "1.1")
    store(spool, "1.2.1", "1.1", PatientID="corrected")
    store(spool, "1.2.2", "1.1")
    broken = store(spool, "1.2.3", "1.2")
    store(spool, "1.2.4", "1.2")
    store(spool, "1.2.9", "1.9", Manufacturer="wetread", ContributingEquipmentSequence=Sequence([Dataset()]))
    (tmp_path / broken).write_bytes(b"broken")
    held = take_holdings(spool, name_of(STUDY))
    assert held.keys() == {name_of("1.1"), name_of("1.2")}
    assert held[name_of("1.1")] == {name_of("1.2.1"), name_of("1.2.2")}
    assert name_of("1.2.4") in held[name_of("1.2")]


def test_stock_may_be_of_some_series(tmp_path: Path) -> None:
    """Only those that are asked for; nothing where none of them is there."""
    spool = Spool(tmp_path)
    file = store(spool, "1.2.1", "1.1")
    store(spool, "1.2.2", "1.2")
    stock = take_stock(spool, name_of(STUDY), STUDY, Completion.SERIES, lambda _: frozenset(), series={name_of("1.1")})
    assert stock is not None
    assert [(series.series_instance_uid, series.files) for series in stock.series] == [("1.1", (file,))]
    assert (
        take_stock(spool, name_of(STUDY), STUDY, Completion.SERIES, lambda _: frozenset(), series={name_of("1.3")})
        is None
    )


def test_everybody_who_sent_images_is_told(tmp_path: Path) -> None:
    """An archive that sends the last image of a study does not hide who sent the others."""
    spool = Spool(tmp_path / "spool")
    for number, sender in enumerate(("ER_CT", "ER_CT", "PACS")):
        uid = f"1.2.{number}"
        spool.store(*incoming(dataset(SOPInstanceUID=uid), sop_instance_uid=uid, calling_ae_title=sender))
    stock = take_stock(spool, name_of(STUDY), STUDY, Completion.QUIET, lambda _: frozenset())
    assert stock is not None
    assert stock.calling_ae_titles == ("ER_CT", "PACS")


@pytest.mark.parametrize(
    ("requests", "of_all"),
    [
        ([Requested.MEDIUM, Requested.LOW], Requested.MEDIUM),
        ([Requested.LOW, Requested.LOW], Requested.LOW),
        ([Requested.LOW, Requested.HIGH, Requested.MEDIUM], Requested.HIGH),
    ],
)
def test_a_study_is_as_urgent_as_its_most_urgent_request(
    tmp_path: Path, requests: list[Requested], of_all: Requested
) -> None:
    """HIGH where one says so, LOW where all do; and every AE title of ours that was called is told."""
    spool = Spool(tmp_path / "spool")
    for number, requested in enumerate(requests):
        uid = f"1.2.{number}"
        called = "WETREAD_STAT" if number else "WETREAD"
        spool.store(
            *incoming(dataset(SOPInstanceUID=uid), sop_instance_uid=uid, requested=requested, called_ae_title=called)
        )
    stock = take_stock(spool, name_of(STUDY), STUDY, Completion.QUIET, lambda _: frozenset())
    assert stock is not None
    assert (stock.requested, stock.called_ae_titles) == (of_all, ("WETREAD", "WETREAD_STAT"))


def test_a_look_costs_the_same_however_much_is_in_quarantine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks for the study's own files, and lists nothing of what is others'."""
    spool = Spool(tmp_path)
    file = store(spool, "1.2.1", "1.1", ImageComments="long enough to be cut")
    store(spool, "1.2.2", "1.1")
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:-3])
    assert store(spool, "1.2.1", "1.1", ImageComments="long enough to be cut") == file
    listed: list[Path] = []
    real = Path.iterdir

    def listing(path: Path) -> Iterator[Path]:
        listed.append(path)
        return real(path)

    monkeypatch.setattr(Path, "iterdir", listing)
    stock = take_stock(spool, name_of(STUDY), STUDY, Completion.QUIET, lambda _: frozenset())
    assert stock is not None
    assert stock.mended == {file}
    assert listed
    assert tmp_path / QUARANTINE not in listed
