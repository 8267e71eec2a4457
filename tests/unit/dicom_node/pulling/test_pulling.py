"""What the end of a retrieval means, and which contexts it asks for."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context

from dicom_node.archives.requestor import Requestor
from dicom_node.contexts import STUDY_ROOT_FIND, STUDY_ROOT_GET
from dicom_node.errors import ArchiveUnreachable
from dicom_node.pulling.contents import StudyContents, contents_of
from dicom_node.pulling.pulling import Pulled, judged, kinds_of, pull_by_get
from dicom_node.settings import Peer
from tests.unit.dicom_node.instances import CT, STUDY, dataset


@pytest.mark.parametrize(
    ("status", "completed", "failed", "expected", "why"),
    [
        (0x0000, 3, 0, 3, ""),
        (0x0000, 4, 0, 3, ""),
        (0x0000, 3, 0, None, ""),
        (0x0000, 2, 0, 3, "the archive lists 3 instances and sent 2"),
        (0x0000, 2, 1, 3, "sent some instances and failed on others; 1 instances failed"),
        (0xB000, 2, 1, 3, "status B000"),
        (0xA801, 0, 0, 3, "does not know the move destination"),
        (0xFE00, 1, 0, 1, "cancelled"),
    ],
)
def test_only_a_whole_study_is_a_success(
    status: int, completed: int, failed: int, expected: int | None, why: str
) -> None:
    """A success that brought less than the archive lists is none."""
    pulled = judged(status, completed, failed, expected, Counter())
    assert (why in pulled.why, bool(pulled.why), bool(pulled.remedy)) == (True, bool(why), bool(why))


EXPLICIT = "1.2.840.10008.1.2.1"


@contextmanager
def house(port: int, sent: Iterable[Dataset | None], *classes: str) -> Iterator[Requestor]:
    """An archive that answers any C-GET with these (None: it aborts), and that takes instances itself, as a node."""

    def get(event: Any) -> Iterator[Any]:
        yield 6
        for one in sent:
            if one is None:
                event.assoc.abort()
                return
            yield 0xFF00, one

    entity = AE("ARCHIVE")
    entity.add_supported_context(STUDY_ROOT_GET)
    for sop_class in (CT, *classes):
        entity.add_supported_context(sop_class, [EXPLICIT], scu_role=True, scp_role=True)
    handlers = [(evt.EVT_C_GET, get), (evt.EVT_C_STORE, lambda _: 0x0000)]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield Requestor(peer=Peer(ae_title="ARCHIVE", host="127.0.0.1", port=port), calling_ae_title="WETREAD")
    finally:
        server.shutdown()


def image(number: int, study: str = STUDY) -> Dataset:
    """Return one of a study's."""
    made = dataset(StudyInstanceUID=study, SOPInstanceUID=f"{study}.{number}")
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = EXPLICIT
    return made


def pulled_from(port: int, sent: Iterable[Dataset | None], steps: list[int] | None = None) -> Pulled:
    """Pull a study of six."""
    contents = StudyContents(instances=6, sop_classes=(CT,))
    with house(port, sent) as both:
        return pull_by_get(both, both, STUDY, contents, ([] if steps is None else steps).append)


def test_an_image_that_comes_six_times_is_one(free_port: Callable[[], int]) -> None:
    """It is instances that make a study whole, not how many requests there were."""
    pulled = pulled_from(free_port(), [image(1)] * 6)
    assert (pulled.instances, pulled.why) == (1, "the archive lists 6 instances and sent 1")
    assert pulled_from(free_port(), map(image, range(6))) == Pulled(instances=6)


def test_images_of_another_study_are_not_this_one(free_port: Callable[[], int]) -> None:
    """Though there are as many as it has; the node has them all the same."""
    pulled = pulled_from(free_port(), [image(number, "1.2.99") for number in range(6)])
    assert (pulled.instances, bool(pulled.remedy)) == (0, True)
    assert "sent 6 instances of other studies" in pulled.why


def test_what_was_taken_before_the_archive_aborts_is_told_as_it_comes(free_port: Callable[[], int]) -> None:
    """Whoever pulls knows it then, whatever the error says."""
    steps: list[int] = []
    with pytest.raises(ArchiveUnreachable):
        pulled_from(free_port(), [image(1), image(2), None], steps)
    assert steps[-1] == 2


def test_what_the_node_takes_nothing_of_is_told_as_its_refusal(free_port: Callable[[], int]) -> None:
    """Such as a maker's own SOP class: the archive's log knows no more than that it failed."""
    private = "1.3.12.2.1107.5.9.1"
    odd = image(2)
    odd.SOPClassUID = private
    node, port = AE("NODE"), free_port()
    node.add_supported_context(CT, [EXPLICIT])
    server = node.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _: 0x0000)])
    contents = StudyContents(instances=3, sop_classes=(CT, private))
    ours = Requestor(peer=Peer(ae_title="NODE", host="127.0.0.1", port=port), calling_ae_title="WETREAD")
    try:
        with house(free_port(), [image(1), odd, image(3)], private) as archive:
            pulled = pull_by_get(archive, ours, STUDY, contents, lambda _: None)
    finally:
        server.shutdown()
    assert pulled.instances == 2
    assert "our node refused 1 instances with status 0122" in pulled.why


def test_a_transfer_syntax_that_the_node_does_not_take_is_told_as_that(free_port: Callable[[], int]) -> None:
    """The SOP class it takes: who enabled that there once more would look in vain."""
    node, port = AE("NODE"), free_port()
    node.add_supported_context(CT, ["1.2.840.10008.1.2.4.70"])
    server = node.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _: 0x0000)])
    contents = StudyContents(instances=2, sop_classes=(CT,))
    ours = Requestor(peer=Peer(ae_title="NODE", host="127.0.0.1", port=port), calling_ae_title="WETREAD")
    try:
        with house(free_port(), [image(1), image(2)]) as archive:
            pulled = pull_by_get(archive, ours, STUDY, contents, lambda _: None)
    finally:
        server.shutdown()
    assert "our node refused 2 instances: it does not take Explicit VR Little Endian of their SOP class" in pulled.why
    assert "SOP class" not in pulled.remedy


def test_what_the_node_refused_is_told_before_what_the_archive_says() -> None:
    """The archive only repeats that sub-operations failed; the node knows why."""
    pulled = judged(0xB000, 1, 2, 3, Counter({0xA700: 2}))
    assert "our node refused 2 instances with status A700" in pulled.why


@pytest.mark.parametrize(
    ("listed", "found"), [(["1." + "2" * 70, CT], (CT,)), (["1." + "2" * 70], ()), (["CT^Image", ""], ())]
)
def test_an_archive_may_call_anything_a_sop_class(
    listed: list[str], found: tuple[str, ...], free_port: Callable[[], int]
) -> None:
    """No context can be made of what is no UID; the others are asked for, and the usual ones where none is left."""

    def find(_: Any) -> Iterator[Any]:
        answer = Dataset()
        answer.StudyInstanceUID, answer.NumberOfStudyRelatedInstances = STUDY, 3
        answer.SOPClassesInStudy = listed
        yield 0xFF00, answer

    port, entity = free_port(), AE("ARCHIVE")
    entity.add_supported_context(STUDY_ROOT_FIND)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, find)])
    try:
        archive = Requestor(peer=Peer(ae_title="ARCHIVE", host="127.0.0.1", port=port), calling_ae_title="WETREAD")
        contents = contents_of(archive, STUDY)
    finally:
        server.shutdown()
    assert contents == StudyContents(instances=3, sop_classes=found)
    assert all(build_context(*kind) for kind in kinds_of(contents))


def test_an_archive_that_ignores_keys_is_not_asked_for_all_its_series(free_port: Callable[[], int]) -> None:
    """It names the series of every study it has, and says of which study each is."""
    asked: list[str] = []

    def find(event: Any) -> Iterator[Any]:
        level = event.identifier.QueryRetrieveLevel
        asked.append(level)
        for study in (STUDY, "1.2.98", "1.2.99"):
            answer = Dataset()
            answer.StudyInstanceUID, answer.SOPInstanceUID, answer.SOPClassUID = study, f"{study}.1", CT
            answer.SeriesInstanceUID = f"{study}.0"
            yield 0xFF00, answer

    port, entity = free_port(), AE("ARCHIVE")
    entity.add_supported_context(STUDY_ROOT_FIND)
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, find)])
    try:
        archive = Requestor(peer=Peer(ae_title="ARCHIVE", host="127.0.0.1", port=port), calling_ae_title="WETREAD")
        contents = contents_of(archive, STUDY)
    finally:
        server.shutdown()
    assert contents == StudyContents(instances=1, sop_classes=(CT,))
    assert asked == ["STUDY", "SERIES", "IMAGE"]


@pytest.mark.parametrize("classes", [0, 1, 3, 127, 300])
def test_one_association_can_carry_what_is_asked_for(classes: int) -> None:
    """At most 127 contexts beside the one of C-GET, every class at least in Explicit VR Little Endian."""
    contents = StudyContents(instances=None, sop_classes=tuple(f"1.2.{number}" for number in range(classes)))
    kinds = kinds_of(contents)
    assert len(kinds) == len(set(kinds)) <= 127
    explicit = {sop_class for sop_class, syntax in kinds if syntax == "1.2.840.10008.1.2.1"}
    assert explicit == {sop_class for sop_class, _ in kinds}
    assert len(explicit) >= min(classes, 127)
