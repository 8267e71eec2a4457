"""Our own results are known when they come back, whatever an archive has made of their headers."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.spooling.spool import Spool
from dicom_node.study import StoredInstance
from models.catalog import Catalog
from models.testing import write_threshold_model
from tests.reading_house import House
from tests.readings import a_card, a_reading, case_of, load
from tests.unit.dicom_node.instances import encode, incoming
from worker.intake.intake import Intake
from worker.intake.own_results import own_results
from worker.ledger.ledger import Ledger
from worker.object_kinds import KINDS
from worker.provenance import device_uid
from worker.results import build
from worker.settings import ModelsSettings
from worker.testing import write_mr_series


def kept(spool: Spool, folder: Path, **changes: str | None) -> StoredInstance:
    """Write a text SR of ours into a spool, with its header changed as an archive might."""
    write_mr_series(folder / "in")
    series = load(folder / "in")
    (made,) = (each for each in build(case_of(series, a_reading(series), a_card())) if each.kind == "TEXT-SR")
    (folder / "sr.dcm").write_bytes(made.data)
    content = dcmread(folder / "sr.dcm")
    for keyword, value in changes.items():
        setattr(content, keyword, value)
        if value is None:
            delattr(content, keyword)
    return spool.store(
        *incoming(encode(content), sop_class_uid=made.sop_class_uid, sop_instance_uid=made.sop_instance_uid)
    )


def nothing(_asked: Sequence[str] = ()) -> Collection[str]:
    """Return that nothing is known."""
    return ()


def test_a_result_of_the_ledger_is_ours_whatever_its_header_says(tmp_path: Path) -> None:
    """Its SOP Instance UID is enough."""
    spool = Spool(tmp_path / "spool")
    instance = kept(spool, tmp_path, Manufacturer="PACS", ContributingEquipmentSequence=None)
    assert not instance.own
    known = own_results(
        [instance], spool=spool.root, in_ledger=lambda uids: uids, devices=lambda: pytest.fail("not asked")
    )
    assert known == {instance.file}


def test_a_result_that_the_ledger_does_not_know_is_ours_by_its_device(tmp_path: Path) -> None:
    """Of another installation, or of a ledger that was lost; an object of somebody else's device is not."""
    spool = Spool(tmp_path / "spool")
    instance = kept(spool, tmp_path, Manufacturer="PACS")
    ours = own_results([instance], spool=spool.root, in_ledger=nothing, devices=lambda: {device_uid(a_card())})
    assert ours == {instance.file}
    assert own_results([instance], spool=spool.root, in_ledger=nothing, devices=lambda: {"1.2.3"}) == frozenset()


def test_what_we_never_make_is_not_looked_at(tmp_path: Path) -> None:
    """An image costs neither a query nor a look into its file."""
    spool = Spool(tmp_path / "spool")
    instance = spool.store(*incoming())
    asked = own_results(
        [instance],
        spool=spool.root,
        in_ledger=lambda _uids: pytest.fail("asked"),
        devices=lambda: pytest.fail("asked"),
    )
    assert asked == frozenset()


def test_the_intake_knows_results_of_its_ledger_and_of_its_models(tmp_path: Path) -> None:
    """By the ledger's own rows, by the cards that are here, and by models that the ledger remembers."""
    ledger = Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite3")
    try:
        read = House(root=tmp_path, ledger=ledger).read(26, slices=8)
        content = dcmread(read.files["SR"])
        content.Manufacturer = "PACS"
        spool = Spool(tmp_path / "other-spool")

        def come(uid: str) -> StoredInstance:
            content.SOPInstanceUID = uid
            return spool.store(*incoming(encode(content), sop_class_uid=str(content.SOPClassUID), sop_instance_uid=uid))

        instances = [come(str(content.SOPInstanceUID)), come("1.2.26.2")]
        write_threshold_model(tmp_path / "elsewhere", id="another")
        for models in (tmp_path / "models", tmp_path / "elsewhere"):
            intake = Intake(
                ledger=ledger,
                catalog=lambda models=models: Catalog.scan((models,)),
                spool=spool.root,
                settings=ModelsSettings(),
            )
            assert intake.made_here(instances) == {instance.file for instance in instances}
            assert not intake.study_receiving(instances[0])
    finally:
        ledger.close()


def test_the_table_of_kinds_has_the_classes_that_are_made(tmp_path: Path) -> None:
    """What comes back is told apart by them."""
    write_mr_series(tmp_path)
    series = load(tmp_path)
    objects = build(case_of(series, a_reading(series), a_card()), tuple(KINDS))
    assert len(objects) > 6
    assert {each.kind: each.sop_class_uid for each in objects} == {
        each.kind: KINDS[each.kind].sop_class_uid for each in objects
    }
