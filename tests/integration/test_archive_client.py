"""The archive as client: the fake and a real Orthanc keep the same contract."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.presentation import build_context

from dicom_node.archives.archive import ArchiveClient, DicomArchive
from dicom_node.archives.sender import OutcomeKind, send
from dicom_node.datasets.part10 import dataset_digest, encode_meta, read_meta
from dicom_node.errors import ArchiveUnreachable, AssociationRejected, NotDicom, QueryFailed
from dicom_node.settings import Peer
from dicom_node.testing import InMemoryArchive
from tests.orthanc_server import OrthancServer
from tests.unit.dicom_node.instances import CT, SOP, STUDY, dataset, write_file
from tests.unit.dicom_node.instances import SERIES as SERIES_UID

PRIVATE = "1.3.12.2.1107.5.9.1"
SERIES = {"Modality": "CT", "SeriesDescription": "AI Test SR"}


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An archive under test, and how it is sent away."""

    client: ArchiveClient
    leave: Callable[[], None]


@pytest.fixture(params=["fake", "Orthanc"])
def archive(request: pytest.FixtureRequest) -> Iterator[Archive]:
    """The fake, then the real one."""
    if request.param == "fake":
        fake = InMemoryArchive()
        yield Archive(client=fake, leave=lambda: setattr(fake, "away", True))
    else:
        server: OrthancServer = request.getfixturevalue("orthanc")
        server.know("us", "WETREAD", 1)  # it answers C-GET to those that it knows
        yield Archive(client=DicomArchive(server.peer, "WETREAD", connect_timeout_s=2), leave=server.stop)


def test_echo_and_outage(archive: Archive, tmp_path: Path) -> None:
    """An archive that is there answers; one that is away is ArchiveUnreachable, whatever is asked of it."""
    archive.client.echo()
    archive.leave()
    with pytest.raises(ArchiveUnreachable):
        archive.client.echo()
    with pytest.raises(ArchiveUnreachable):
        archive.client.find_study("1.2")
    with pytest.raises(ArchiveUnreachable) as raised:
        archive.client.store([write_file(tmp_path / "a.dcm")])
    assert raised.value.kept_nothing


def test_what_is_stored_is_found(archive: Archive, tmp_path: Path) -> None:
    """A study is unknown before its first instance is stored and known after it."""
    assert archive.client.find_study(STUDY) is None
    (outcome,) = archive.client.store([write_file(tmp_path / "a.dcm")])
    assert (outcome.kind, outcome.status, outcome.sop_instance_uid) == (OutcomeKind.ACCEPTED, 0, SOP)
    assert archive.client.find_study(STUDY) is not None
    assert archive.client.find_study("1.2.3.4.5") is None


def test_a_patients_studies_and_series_are_found_and_come_back(archive: Archive, tmp_path: Path) -> None:
    """By exactly the id that was asked for; what is got is what was stored, and other classes and series stay there."""
    files = [
        write_file(tmp_path / "a.dcm", dataset(PatientID="P1", StudyDate="20240102", StudyTime="101112", **SERIES)),
        write_file(
            tmp_path / "b.dcm",
            dataset(PatientID="P12", StudyInstanceUID="1.2.7", SeriesInstanceUID="1.2.7.1", SOPInstanceUID="1.2.7.1.1"),
        ),
        write_file(
            tmp_path / "c.dcm",
            dataset(
                PatientID="P1",
                StudyDate="20240102",
                SeriesInstanceUID=f"{STUDY}.9",
                SOPInstanceUID=f"{STUDY}.9.1",
                Modality="MR",
            ),
        ),
    ]
    assert all(outcome.accepted for outcome in archive.client.store(files))
    (study,) = archive.client.find_studies("P1")
    assert (study.study_instance_uid, study.study_date) == (STUDY, "20240102")
    assert study.identity.patient_id == "P1"
    (series,) = archive.client.find_series(STUDY, "CT")
    assert series.series_description == "AI Test SR"
    assert archive.client.count_series(STUDY) == {SERIES_UID: 1, f"{STUDY}.9": 1}
    (got,) = archive.client.get_series(STUDY, series.series_instance_uid, [CT])
    back = tmp_path / "back.dcm"
    back.write_bytes(got)
    assert dataset_digest(back) == dataset_digest(files[0])


@pytest.mark.parametrize("patient_id", ["", "P*", "P?", "P1\\P12", "Q"])
def test_an_id_that_would_match_others_finds_nothing(archive: Archive, tmp_path: Path, patient_id: str) -> None:
    """Wildcards and lists in an id never find somebody else, nor does an empty one."""
    archive.client.store([write_file(tmp_path / "a.dcm", dataset(PatientID="P1", **SERIES))])
    assert archive.client.find_studies(patient_id) == []


def test_a_search_of_an_archive_that_is_away(archive: Archive) -> None:
    """Every question is answered with ArchiveUnreachable."""
    archive.leave()
    with pytest.raises(ArchiveUnreachable):
        archive.client.find_studies("P1")
    with pytest.raises(ArchiveUnreachable):
        archive.client.find_series(STUDY, "SR")
    with pytest.raises(ArchiveUnreachable):
        archive.client.count_series(STUDY)
    with pytest.raises(ArchiveUnreachable):
        archive.client.get_series(STUDY, "1.2", [CT])


def test_the_same_bytes_again_count_as_accepted(archive: Archive, tmp_path: Path) -> None:
    """Sending an object a second time is accepted, so that a lost answer does no harm."""
    file = write_file(tmp_path / "a.dcm")
    for _ in range(2):
        (outcome,) = archive.client.store([file])
        assert outcome.accepted


def test_outcomes_come_in_order(archive: Archive, tmp_path: Path) -> None:
    """Several objects of several kinds over one association are answered one by one, in order."""
    uids = [f"1.2.9.{number}" for number in range(5)]
    syntaxes = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]
    files = [
        write_file(tmp_path / f"{uid}.dcm", dataset(SOPInstanceUID=uid), syntax=syntaxes[index % 2])
        for index, uid in enumerate(uids)
    ]
    assert [outcome.sop_instance_uid for outcome in archive.client.store(files)] == uids


def test_a_file_that_is_no_dicom_is_named(archive: Archive, tmp_path: Path) -> None:
    """A file that is not DICOM stops the call before anything is sent."""
    wrong = tmp_path / "wrong.dcm"
    wrong.write_bytes(b"not DICOM")
    with pytest.raises(NotDicom, match=r"wrong\.dcm"):
        archive.client.store([write_file(tmp_path / "a.dcm"), wrong])
    assert archive.client.find_study(STUDY) is None


def test_identity_comes_back_from_orthanc(orthanc: OrthancServer, tmp_path: Path) -> None:
    """Whose study it is comes back from a real archive as sent, in any character set, and a change is noticed."""
    content = dataset(
        PatientName="Müller^Jürgen^^",
        PatientBirthDate="19700101",
        AccessionNumber="A1",
        SpecificCharacterSet="ISO_IR 192",
    )
    client = DicomArchive(orthanc.peer, "WETREAD")
    client.store([write_file(tmp_path / "a.dcm", content)])
    found = client.find_study(STUDY)
    assert found is not None
    sent = type(found).of(content)
    assert found.differs_from(sent) == ()
    assert replace(sent, patient_id="other").differs_from(found) == ("PatientID",)


def test_compressed_objects_leave_as_the_bytes_they_are(shared_data: Path) -> None:
    """A compressed dataset goes over the wire byte for byte, without decoding or a second encoding."""
    file = next(
        path for path in sorted((shared_data / "odd-series").rglob("*")) if path.is_file() and _compressed(path)
    )
    meta = read_meta(file)
    received: list[bytes] = []

    def keep(event: Any) -> int:
        received.append(event.request.DataSet.getvalue())
        return 0

    entity = AE(ae_title="KEEPER")
    entity.add_supported_context(meta.sop_class_uid, meta.transfer_syntax_uid)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, keep)])
    try:
        peer = Peer(ae_title="KEEPER", host="localhost", port=server.socket.getsockname()[1])
        (outcome,) = DicomArchive(peer, "WETREAD").store([file])
    finally:
        server.shutdown()
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert received == [file.read_bytes()[meta.dataset_start :]]


def _compressed(path: Path) -> bool:
    try:
        return read_meta(path).transfer_syntax_uid.startswith("1.2.840.10008.1.2.4")
    except NotDicom:
        return False


class Peculiar:
    """A real SCP that answers as it is told."""

    def __init__(self) -> None:
        self.answers: dict[str, int] = {}
        self.seen: list[str] = []
        entity = AE(ae_title="PECULIAR")
        entity.require_called_aet = True
        entity.add_supported_context(CT, "1.2.840.10008.1.2.1")
        self.server: Any = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)]
        )
        self.peer = Peer(ae_title="PECULIAR", host="127.0.0.1", port=self.server.socket.getsockname()[1])

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.seen.append(uid)
        status = self.answers.get(uid, 0)
        if status < 0:
            event.assoc.abort()
        return max(status, 0)


@pytest.fixture
def peculiar() -> Iterator[Peculiar]:
    """An SCP that takes CT in explicit little endian only."""
    scp = Peculiar()
    yield scp
    scp.server.shutdown()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (0x0000, OutcomeKind.ACCEPTED),
        (0xB000, OutcomeKind.WARNING),
        (0xB006, OutcomeKind.WARNING),
        (0xB007, OutcomeKind.WARNING),
        (0xB00A, OutcomeKind.WARNING),
        (0xBFFF, OutcomeKind.WARNING),
        (0x0111, OutcomeKind.DUPLICATE),
        (0xA700, OutcomeKind.REFUSED),
        (0xC123, OutcomeKind.REFUSED),
    ],
)
def test_what_an_answer_means(peculiar: Peculiar, tmp_path: Path, status: int, kind: OutcomeKind) -> None:
    """Every status of a C-STORE response has its meaning; warnings and duplicates count as accepted."""
    peculiar.answers[SOP] = status
    (outcome,) = DicomArchive(peculiar.peer, "WETREAD").store([write_file(tmp_path / "a.dcm")])
    assert (outcome.status, outcome.kind) == (status, kind)
    assert outcome.accepted == (kind is not OutcomeKind.REFUSED)


def test_a_kind_that_is_not_taken_is_told_and_the_rest_sent(peculiar: Peculiar, tmp_path: Path) -> None:
    """An object whose class or syntax the archive does not take is NO_CONTEXT; nothing is converted."""
    implicit = write_file(tmp_path / "a.dcm", dataset(SOPInstanceUID="1.1"), syntax="1.2.840.10008.1.2")
    private = write_file(tmp_path / "b.dcm", dataset(SOPInstanceUID="1.2", SOPClassUID=PRIVATE))
    client = DicomArchive(peculiar.peer, "WETREAD")
    outcomes = client.store([implicit, write_file(tmp_path / "c.dcm"), private])
    assert [item.kind for item in outcomes] == [OutcomeKind.NO_CONTEXT, OutcomeKind.ACCEPTED, OutcomeKind.NO_CONTEXT]
    assert peculiar.seen == [SOP]
    assert [item.kind for item in client.store([implicit, private])] == [OutcomeKind.NO_CONTEXT] * 2


def test_an_abort_in_the_middle_ends_the_list(peculiar: Peculiar, tmp_path: Path) -> None:
    """Objects that were not answered for are not in the outcomes, so that they are sent again."""
    files = [write_file(tmp_path / f"{n}.dcm", dataset(SOPInstanceUID=f"1.{n}")) for n in (1, 2, 3)]
    peculiar.answers["1.2"] = -1
    outcomes = DicomArchive(peculiar.peer, "WETREAD").store(files)
    assert [item.sop_instance_uid for item in outcomes] == ["1.1"]


def test_send_goes_on_after_an_abort(peculiar: Peculiar, tmp_path: Path) -> None:
    """The file that made the peer abort is refused, and those behind it go over another association."""
    files = [write_file(tmp_path / f"{n}.dcm", dataset(SOPInstanceUID=f"1.{n}")) for n in range(1, 5)]
    peculiar.answers["1.2"] = -1
    kinds = [outcome.kind for _, outcome in send(files, peculiar.peer, "SENDER")]
    assert kinds == [OutcomeKind.ACCEPTED, OutcomeKind.REFUSED, OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED]


def test_a_peer_that_always_aborts_is_left_in_peace(peculiar: Peculiar, tmp_path: Path) -> None:
    """After three associations without an answer the rest is refused without another."""
    files = [write_file(tmp_path / f"{n}.dcm", dataset(SOPInstanceUID=f"1.{n}")) for n in range(1, 8)]
    peculiar.answers = {f"1.{n}": -1 for n in range(1, 8)}
    assert {outcome.kind for _, outcome in send(files, peculiar.peer, "SENDER")} == {OutcomeKind.REFUSED}
    assert peculiar.seen == ["1.1", "1.2", "1.3"]


def test_a_rejection_names_its_reason(peculiar: Peculiar, tmp_path: Path) -> None:
    """Calling the wrong AE title is AssociationRejected with the archive's reason; nothing is sent then."""
    peer = peculiar.peer.model_copy(update={"ae_title": "OTHER"})
    with pytest.raises(AssociationRejected, match="called AE title not recognised"):
        DicomArchive(peer, "WETREAD").echo()
    with pytest.raises(AssociationRejected) as raised:
        DicomArchive(peer, "WETREAD").store([write_file(tmp_path / "a.dcm")])
    assert raised.value.kept_nothing


def test_an_archive_without_query_is_told(peculiar: Peculiar) -> None:
    """An archive that knows no C-FIND is QueryFailed with the remedy, not a study that is gone."""
    with pytest.raises(QueryFailed, match="C-FIND"):
        DicomArchive(peculiar.peer, "WETREAD").find_study(STUDY)


def test_send_walks_folders_and_names_what_is_not_dicom(peculiar: Peculiar, tmp_path: Path) -> None:
    """Folders are walked, what is not DICOM is named and skipped, and the rest is sent as it is."""
    file = write_file(tmp_path / "deep" / "er" / "a.dcm")
    (tmp_path / "deep" / "notes.txt").write_text("hello")
    outcomes = {path.name: outcome.kind for path, outcome in send([tmp_path / "deep"], peculiar.peer, "SENDER")}
    assert outcomes == {"a.dcm": OutcomeKind.ACCEPTED, "notes.txt": OutcomeKind.SKIPPED}
    assert pydicom.dcmread(file).SOPInstanceUID in peculiar.seen


def test_send_uses_another_association_after_128_kinds(tmp_path: Path) -> None:
    """More kinds of objects than one association can carry are sent over several."""
    syntax = "1.2.840.10008.1.2.1"
    classes = [context.abstract_syntax for context in AllStoragePresentationContexts[:130]]
    entity = AE(ae_title="MANY")
    entity.supported_contexts = [build_context(uid, syntax) for uid in classes]
    associations: list[object] = []
    server = entity.start_server(
        ("127.0.0.1", 0),
        block=False,
        evt_handlers=[
            (evt.EVT_ACCEPTED, lambda event: associations.append(event.assoc)),
            (evt.EVT_C_STORE, lambda _event: 0),
        ],
    )
    try:
        for number, uid in enumerate(classes):
            write_file(tmp_path / f"{number:03}.dcm", dataset(SOPClassUID=uid, SOPInstanceUID=f"1.{number}"))
        peer = Peer(ae_title="MANY", host="127.0.0.1", port=server.socket.getsockname()[1])
        seen = [outcome.kind for _, outcome in send([tmp_path], peer, "SENDER")]
    finally:
        server.shutdown()
    assert seen == [OutcomeKind.ACCEPTED] * 130
    assert len(associations) == 2


@pytest.mark.parametrize("odd", ["1." + "2" * 70, "1.2.840.10008.1.2.\xe4"])
def test_send_names_a_file_that_no_association_can_carry(peculiar: Peculiar, tmp_path: Path, odd: str) -> None:
    """A presentation context cannot be made of its UIDs: that is the file's fault alone, and the others are sent."""
    files = [write_file(tmp_path / f"{n}.dcm", dataset(SOPInstanceUID=f"1.{n}")) for n in (1, 2, 3)]
    meta = read_meta(files[1])
    stand_in = "1." + "3" * (len(odd) - 2)
    head = encode_meta(
        sop_class_uid=meta.sop_class_uid,
        sop_instance_uid=meta.sop_instance_uid,
        transfer_syntax_uid=stand_in,
        calling_ae_title="A",
        called_ae_title="B",
    ).replace(stand_in.encode(), odd.encode("latin-1"))
    files[1].write_bytes(head + files[1].read_bytes()[meta.dataset_start :])
    outcomes = {path: outcome.kind for path, outcome in send(files, peculiar.peer, "SENDER")}
    assert [outcomes[file] for file in files] == [
        OutcomeKind.ACCEPTED,
        OutcomeKind.UNREADABLE,
        OutcomeKind.ACCEPTED,
    ]


def test_send_goes_on_after_a_file_that_has_gone(peculiar: Peculiar, tmp_path: Path) -> None:
    """It was there when it was found."""
    files = [write_file(tmp_path / f"{n}.dcm", dataset(SOPInstanceUID=f"1.{n}")) for n in range(1, 5)]
    kinds = []
    for _, outcome in send(files, peculiar.peer, "SENDER"):
        files[2].unlink(missing_ok=True)
        kinds.append(outcome.kind)
    assert kinds == [OutcomeKind.ACCEPTED, OutcomeKind.ACCEPTED, OutcomeKind.UNREADABLE, OutcomeKind.ACCEPTED]
