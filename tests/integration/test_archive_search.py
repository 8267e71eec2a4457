"""An archive that is searched for earlier reads may be slow, huge, hostile or mute: nobody waits for it for long."""

import itertools
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_FIND

from dicom_node.archives.archive import DicomArchive
from dicom_node.archives.query import Limits
from dicom_node.contexts import STUDY_ROOT_FIND, STUDY_ROOT_GET
from dicom_node.datasets.elements import MOST_ELEMENTS
from dicom_node.errors import ArchiveUnreachable, QueryFailed
from dicom_node.settings import Peer
from tests.unit.dicom_node.instances import CT, dataset

Start = Callable[..., DicomArchive]


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts an SCP with these answers and gives its client."""
    servers = []

    def run(
        *,
        find: Callable[[Any], Any] | None = None,
        get: Callable[[Any], Any] | None = None,
        requested: Callable[[Any], None] = lambda _: None,
        **limits: Any,
    ) -> DicomArchive:
        entity = AE(ae_title="ODD")
        handlers: list[tuple[Any, Any]] = [(evt.EVT_REQUESTED, requested)]
        if find is not None:
            entity.add_supported_context(STUDY_ROOT_FIND, [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
            handlers.append((evt.EVT_C_FIND, find))
        if get is not None:
            entity.add_supported_context(STUDY_ROOT_GET)
            entity.add_supported_context(CT, scu_role=True, scp_role=True)
            handlers.append((evt.EVT_C_GET, get))
        entity.add_supported_context("1.2.840.10008.1.1")
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        servers.append(server)
        peer = Peer(ae_title="ODD", host="127.0.0.1", port=server.socket.getsockname()[1])
        return DicomArchive(peer, "WETREAD", dimse_timeout_s=2.0, limits=Limits(**({"seconds": 2.0} | limits)))

    yield run
    for server in servers:
        server.shutdown()


def match(**values: Any) -> tuple[int, Dataset]:
    """Return a pending answer."""
    answer = dataset(PatientID="P1", StudyDate="20240102", **values)
    answer.QueryRetrieveLevel = "STUDY"
    return 0xFF00, answer


def test_answers_of_other_patients_are_left_out(start: Start) -> None:
    """An archive that ignores the key answers with all that it has: only the id that was asked for counts."""
    archive = start(find=lambda _: iter([match(), (0xFF00, dataset(PatientID="P2", StudyInstanceUID="1.9"))]))
    assert [study.study_instance_uid for study in archive.find_studies("P1")] == ["1.2.3.1"]


def count(series: str, number: object, study: str = "1.2") -> tuple[int, Dataset]:
    """Return a pending answer at series level; `number` as it stands in the answer."""
    answer = dataset(StudyInstanceUID=study, SeriesInstanceUID=series)
    if number is not None:
        answer.add(DataElement(0x00201209, "LO" if isinstance(number, str) else "IS", number))
    return 0xFF00, answer


def test_counts_are_read_with_care(start: Start) -> None:
    """A count that is missing, ambiguous or no number is none; what an archive answers of other studies is left out."""
    answers = [
        count("1.2.1", 7),
        count("1.2.2", None),
        count("1.2.3", "seven"),
        count("1.2.4", "-1"),
        count("1.2.5", "1\\2"),
        count("1.2.6", 3),
        count("1.2.6", 4),
        count("1.3.1", 5, study="1.3"),
        count("1.2.8", ""),
    ]
    archive = start(find=lambda _: iter(answers))
    assert archive.count_series("1.2") == {"1.2.1": 7} | {f"1.2.{number}": None for number in (2, 3, 4, 5, 6, 8)}


def raw(event: Any, identifier: bytes) -> Iterator[tuple[int, None]]:
    """Send a pending answer of these bytes, in explicit VR, and then success."""
    answer = C_FIND()
    answer.MessageIDBeingRespondedTo = event.request.MessageID
    answer.AffectedSOPClassUID = event.request.AffectedSOPClassUID
    answer.Status, answer.Identifier = 0xFF00, BytesIO(identifier)
    event.assoc.dimse.send_msg(answer, event.context.context_id)
    yield 0x0000, None


def test_an_answer_that_cannot_be_read_is_told_as_that(start: Start) -> None:
    """Values are read when they are asked for, and pydicom raises anything then; counts may be left out."""
    study, series = b"\x20\0\x0d\0UI\4\x001.2\0", b"\x20\0\x0e\0UI\6\x001.2.1\0"
    cut = b"FD\4\0abc "  # a double has eight bytes
    archive = start(find=lambda event: raw(event, study + series + b"\x20\0\x09\x12" + cut))
    assert archive.count_series("1.2") == {"1.2.1": None}
    archive = start(find=lambda event: raw(event, b"\x20\0\x0d\0" + cut + series))
    for ask in (archive.find_study, archive.count_series, archive.find_studies):
        with pytest.raises(QueryFailed, match=r"\(0020,000D\) that is none"):
            ask("1.2")


def test_an_archive_that_accepts_what_was_not_proposed_is_left(start: Start) -> None:
    """Such as the deflated syntax, whose answers would be inflated without a bound."""

    def lie(event: Any) -> None:
        for context in event.assoc.requestor.primitive.presentation_context_definition_list:
            context.transfer_syntax = [DeflatedExplicitVRLittleEndian]

    archive = start(find=lambda _: iter([]), requested=lie)
    for ask in (archive.find_study, archive.count_series):
        with pytest.raises(ArchiveUnreachable, match="not proposed"):
            ask("1.2")


def test_an_archive_that_never_ends_is_left(start: Start) -> None:
    """Answer after answer, each in time: the whole call has its own limit."""

    def for_ever(event: Any) -> Iterator[tuple[int, Dataset]]:
        for number in itertools.count():
            if event.is_cancelled or not event.assoc.is_established:
                return
            time.sleep(0.05)  # the slow archive itself
            yield match(StudyInstanceUID=f"1.2.{number}")

    archive = start(find=for_ever)
    for ask in (archive.find_studies, archive.find_study):
        with pytest.raises(ArchiveUnreachable, match="2 s or 64 MiB"):
            ask("1.2.0")


def test_whose_a_study_is_comes_from_an_archive_that_answers_to_the_end(start: Start) -> None:
    """More studies than it was asked for are an error, and so is a status that a C-FIND has not (PS3.4 C.4.1.1.4)."""
    archive = start(find=lambda _: iter([match(), match(StudyInstanceUID="1.9")]))
    assert archive.find_study("1.2.3.1") is not None
    assert archive.find_study("1.8") is None
    archive = start(find=lambda _: (match(StudyInstanceUID=f"1.2.{n}") for n in range(600)), seconds=60.0)
    with pytest.raises(QueryFailed, match="500 matches"):
        archive.find_study("1.2.0")
    archive = start(find=lambda _: iter([match(), (0xB000, None)]))
    with pytest.raises(QueryFailed, match="B000"):
        archive.find_study("1.2.3.1")


def test_an_archive_that_answers_with_everything_is_left(start: Start) -> None:
    """More matches than one patient can have studies."""
    archive = start(find=lambda _: (match(StudyInstanceUID=f"1.2.{n}") for n in range(600)), seconds=60.0)
    with pytest.raises(QueryFailed, match="500 matches"):
        archive.find_studies("P1")


def test_an_archive_that_is_mute_is_left(start: Start, wait_for: Callable[..., None]) -> None:
    """No answer at all."""
    over: list[int] = []

    def mute(event: Any) -> Iterator[tuple[int, Dataset]]:
        wait_for(lambda: over or not event.assoc.is_established, what="the caller leaves")
        yield 0x0000, Dataset()

    with pytest.raises(ArchiveUnreachable):
        start(find=mute).find_studies("P1")
    over.append(1)


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001])
def test_a_status_is_told_without_the_answer(start: Start, status: int) -> None:
    """The error names the status and nothing of a patient."""
    archive = start(find=lambda _: iter([(status, None)]))
    with pytest.raises(QueryFailed, match=f"{status:04X}") as caught:
        archive.find_studies("Secret4711")
    assert "Secret4711" not in str(caught.value)


def test_an_archive_without_search_is_named(start: Start) -> None:
    """With the remedy."""
    archive = start()
    with pytest.raises(QueryFailed, match="switch the check off"):
        archive.find_study("1.2")
    with pytest.raises(QueryFailed, match="prior = false"):
        archive.find_studies("P1")
    with pytest.raises(QueryFailed, match="prior = false"):
        archive.get_series("1.2", "1.2.3", [CT])


def sending(count: int, size: int = 10, items: int = 0) -> Callable[[Any], Iterator[Any]]:
    """Return what sends so many instances, of so many pixels, the first with so many empty items."""

    def send(event: Any) -> Iterator[Any]:
        yield count
        for number in range(count):
            instance = dataset(SOPInstanceUID=f"1.2.{number}", PixelData=b"\0" * size)
            instance["PixelData"].VR = "OB"
            instance.add_new(0x00091010, "UN", b"\xfe\xff\x00\xe0\0\0\0\0" * (items if not number else 0))
            instance.file_meta = Dataset()
            instance.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
            yield 0xFF00, instance

    return send


def test_only_the_first_of_many_instances_are_taken(start: Start) -> None:
    """A series of ours holds one."""
    assert len(start(get=sending(9), instances=4).get_series("1.2", "1.2.3", [CT])) == 4


def test_an_instance_that_is_too_large_is_cut_off(start: Start) -> None:
    """Nobody fills our memory."""
    with pytest.raises(ArchiveUnreachable, match="2 MiB"):
        start(get=sending(1, 8 << 20), bytes_all=2 << 20).get_series("1.2", "1.2.3", [CT])


def test_an_instance_that_cannot_be_parsed_cheaply_is_not_taken(start: Start) -> None:
    """Each of its empty items would be an object; the next one is taken."""
    for items, taken in ((MOST_ELEMENTS + 1, 1), (9, 2)):
        archive = start(get=sending(2, items=items), seconds=30.0)
        assert len(archive.get_series("1.2", "1.2.3", [CT])) == taken
