"""Steps and notifications become lists of what a study consists of."""

from pathlib import Path

import pytest

from dicom_node.announcing.announcement_service import AnnouncementService
from dicom_node.errors import SpoolFull
from dicom_node.messages.services import Request, ServiceRefused
from dicom_node.spooling.spool import Spool
from tests.unit.dicom_node.announcing.test_announcements import availability, created, made, referred
from tests.unit.dicom_node.messages.test_commitment_messages import asked

STEP = "1.2.9"


class House:
    """A service, and the lists that it tells."""

    def __init__(self, folder: Path, **settings: int) -> None:
        self.lists: list[tuple[str, frozenset[str], str]] = []
        self.service = AnnouncementService(
            spool=Spool(folder, **settings), listed=lambda *said: self.lists.append(said)
        )

    def create(self, *studies: str) -> None:
        """Create the step."""
        assert self.service.step_created(named(created("IN PROGRESS", *studies))) == STEP

    def set(self, status: str | None = None, *uids: str) -> None:
        """Change it."""
        series = [made(SeriesInstanceUID="1.2.8", ReferencedImageSequence=referred(*uids))] if uids else None
        change = made(PerformedProcedureStepStatus=status, PerformedSeriesSequence=series, StudyID="x")
        self.service.step_set(named(asked(change)))


def named(request: Request, uid: str = STEP) -> Request:
    """Return the request for this instance."""
    return Request(**{**vars(request), "sop_instance_uid": uid})


@pytest.fixture
def house(tmp_path: Path) -> House:
    """One without steps."""
    return House(tmp_path)


def test_a_completed_step_lists_its_study(house: House) -> None:
    """What it said last of its images, at the end or before."""
    house.create("1.2.3")
    house.set("IN PROGRESS", "1.2.3.1")
    house.set(None, "1.2.3.1", "1.2.3.2")
    assert house.lists == []
    house.set("COMPLETED")
    assert house.lists == [("1.2.3", {"1.2.3.1", "1.2.3.2"}, "MPPS")]


@pytest.mark.parametrize(
    ("studies", "status", "uids"),
    [
        (("1.2.3",), "DISCONTINUED", ("1.2.3.1",)),
        (("1.2.3", "1.2.4"), "COMPLETED", ("1.2.3.1",)),
        (("1.2.3",), "COMPLETED", ()),
    ],
    ids=["discontinued", "for two studies", "without images"],
)
def test_what_lists_no_study_lists_none(
    house: House, studies: tuple[str, ...], status: str, uids: tuple[str, ...]
) -> None:
    """And it is over all the same: Error ID A506 (PS3.4 F.7.2.2)."""
    house.create(*studies)
    house.set(status, *uids)
    assert house.lists == []
    with pytest.raises(ServiceRefused) as refusal:
        house.set("COMPLETED", "1.2.3.1")
    assert (refusal.value.status.code, refusal.value.error_id) == (0x0110, 0xA506)


def test_a_step_is_created_once_and_known_before_it_is_set(house: House) -> None:
    """Duplicate SOP instance; no such SOP instance; no UID."""
    with pytest.raises(ServiceRefused) as refusal:
        house.set("COMPLETED")
    assert refusal.value.status.code == 0x0112
    house.create("1.2.3")
    with pytest.raises(ServiceRefused) as refusal:
        house.create("1.2.3")
    assert refusal.value.status.code == 0x0111
    with pytest.raises(ServiceRefused) as refusal:
        house.service.step_created(named(created(), "../../x"))
    assert refusal.value.status.code == 0x0117


def test_who_leaves_the_uid_to_us_is_told_it(house: House) -> None:
    """PS3.7 10.1.5.1.3; each another one."""
    uids = {house.service.step_created(named(created(), "")) for _ in range(2)}
    assert len(uids) == 2
    assert all(uid.startswith("2.25.") for uid in uids)


def test_a_notification_lists_its_study(house: House) -> None:
    """Unless nothing of it is available."""
    house.service.availability_created(named(availability("ONLINE", "UNAVAILABLE")))
    house.service.availability_created(named(availability("UNAVAILABLE")))
    assert house.lists == [("1.2.3", {"1.2.3.0"}, "IAN")]


def test_a_full_disk_takes_no_steps(tmp_path: Path) -> None:
    """It has other things to keep."""
    with pytest.raises(SpoolFull):
        House(tmp_path, min_free_bytes=1 << 60).create("1.2.3")
