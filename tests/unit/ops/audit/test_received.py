"""Instances become one record an association, study and action."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dicom_node.study import Arrival, StoredInstance
from ops.audit.received import MOST_ENTRIES, Received
from ops.audit.records import Action, Side

US = Side(ae_title="WETREAD", address="reader1", requestor=False)
AT = datetime(2026, 1, 1, tzinfo=UTC)
INSTANCE = StoredInstance(
    study_instance_uid="1.1",
    series_instance_uid="1.1.1",
    sop_instance_uid="1.1.1.1",
    sop_class_uid="CT",
    transfer_syntax_uid="1.2",
    file="a/b/c.dcm",
    size_bytes=1,
    arrival=Arrival.NEW,
    own=False,
    calling_ae_title="CT1",
    sender_address="192.0.2.7",
    received_at=AT,
)


def test_an_association_is_told_when_it_ends() -> None:
    """Each study apart, with the number of instances of each SOP class and the time of the last one."""
    received = Received(Path("/spool"), US)
    for second in range(5):
        received.stored(replace(INSTANCE, received_at=AT + timedelta(seconds=second)), "a", 0.0)
    received.stored(replace(INSTANCE, sop_class_uid="MR"), "a", 0.0)
    received.stored(replace(INSTANCE, study_instance_uid="2.2"), "a", 0.0)
    received.stored(INSTANCE, "b", 0.0)
    told = {one.study_instance_uid: one for one in received.ended("a")}
    assert told["1.1"].sop_classes == (("CT", 5), ("MR", 1))
    assert told["1.1"].at == AT + timedelta(seconds=4)
    assert told["1.1"].source == Side(ae_title="CT1", address="192.0.2.7", requestor=True)
    assert (told["1.1"].destination, told["1.1"].file) == (US, Path("/spool/a/b/c.dcm"))
    assert told["2.2"].sop_classes == (("CT", 1),)
    assert received.ended("a") == []
    assert [one.sop_classes for one in received.ended("b")] == [(("CT", 1),)]


def test_what_it_meant_to_us_is_told_apart() -> None:
    """PS3.15 A.5.3.7: created, read (the same again), updated (others under these UIDs)."""
    received = Received(Path("/spool"), US)
    for arrival in Arrival:
        received.stored(replace(INSTANCE, arrival=arrival), "a", 0.0)
    assert {one.action for one in received.of_study("1.1")} == {Action.CREATE, Action.READ, Action.UPDATE}


def test_an_association_that_goes_on_is_told_meanwhile() -> None:
    """By its age; what comes later is another record."""
    received = Received(Path("/spool"), US)
    received.stored(INSTANCE, "a", 10.0)
    assert received.before(10.0) == []
    assert len(received.before(10.1)) == 1
    received.stored(INSTANCE, "a", 20.0)
    assert len(received.ended("a")) == 1


def test_every_image_a_study_of_its_own_costs_no_memory() -> None:
    """Everything is told as soon as there is too much of it."""
    received = Received(Path("/spool"), US)
    told = [
        one
        for number in range(MOST_ENTRIES + 1)
        for one in received.stored(replace(INSTANCE, study_instance_uid=f"1.{number}"), "a", 0.0)
    ]
    assert len(told) == MOST_ENTRIES + 1
    assert received.ended("a") == []
