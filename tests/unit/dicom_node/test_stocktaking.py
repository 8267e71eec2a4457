"""What a study's folder holds."""

from pathlib import Path

import pytest

from dicom_node.spool import Spool, name_of
from dicom_node.stocktaking import take_stock
from dicom_node.study import Completion, Requested
from tests.unit.dicom_node.instances import STUDY, dataset, incoming


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
    stock = take_stock(spool, name_of(STUDY), STUDY, Completion.QUIET)
    assert stock is not None
    assert (stock.requested, stock.called_ae_titles) == (of_all, ("WETREAD", "WETREAD_STAT"))
