"""DICOMweb against a server that answers as it is told."""

import gzip
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.archives import dicomweb_archive
from dicom_node.archives.bounded_answer import MOST_THINGS
from dicom_node.archives.dicomweb_archive import DicomWebArchive
from dicom_node.archives.sender import OutcomeKind
from dicom_node.errors import ArchiveError, ArchiveUnreachable, AssociationRejected, QueryFailed
from tests.certificates import Authority
from tests.unit.dicom_node.instances import dataset, write_file
from worker.testing import write_mr_series

#: A client that keeps its connection open and says nothing must not hold the test.
_LONGEST_SILENCE_S = 60.0


class Service(HTTPServer):
    """Answers in the order in which it is told, and remembers what it was asked.

    Attributes:
        answers: Status, body and headers of each answer to come.
        asked: Method, path and headers of each request.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, bytes, dict[str, str]]] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}/dicom-web"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        status, body, headers = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815  # the names that http.server calls

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def service() -> Iterator[Service]:
    """A service that runs."""
    server = Service()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One instance."""
    return write_mr_series(tmp_path / "study", slices=1)[0]


JSON = {"Content-Type": "application/dicom+json; charset=utf-8"}


def test_deleting_what_is_gone_is_deleting(service: Service) -> None:
    """204, 404 and 410 are all the same to us; what is not allowed is told."""
    service.answers = [(204, b"", {}), (404, b"", {}), (410, b"", {}), (403, b"", {})]
    archive = DicomWebArchive(service.url)
    for _ in range(3):
        archive.delete("1.2", "1.3", "1.4")
    assert service.asked[0][:2] == ("DELETE", "/dicom-web/studies/1.2/series/1.3/instances/1.4")
    with pytest.raises(ArchiveError, match="403"):
        archive.delete("1.2", "1.3", "1.4")


def test_a_refusal_without_a_word_is_looked_after(service: Service, file: Path) -> None:
    """409 and no body: what QIDO-RS then lists is a duplicate, what it does not list is refused."""
    archive = DicomWebArchive(service.url)
    (uid,) = [outcome.sop_instance_uid for outcome in _stored(archive, service, file, [(200, b"", {})])]
    listed = b'[{"00080018": {"vr": "UI", "Value": ["' + uid.encode() + b'"]}}]'
    (outcome,) = _stored(archive, service, file, [(409, b"", {}), (200, listed, JSON)])
    assert outcome.kind is OutcomeKind.DUPLICATE
    (outcome,) = _stored(archive, service, file, [(409, b"", {}), (204, b"", {})])
    assert outcome.kind is OutcomeKind.REFUSED


def _stored(archive: DicomWebArchive, service: Service, file: Path, answers: list[tuple[int, bytes, dict[str, str]]]):  # type: ignore[no-untyped-def]  # noqa: ANN202
    service.answers = answers
    return archive.store([file])


def test_a_service_that_falls_ill_keeps_what_it_answered_for(service: Service, file: Path) -> None:
    """The first of two was stored; the second is sent again, by whoever asks again."""
    service.answers = [(200, b"", {}), (503, b"", {})]
    outcomes = DicomWebArchive(service.url).store([file, file])
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED]
    service.answers = [(503, b"", {})]
    with pytest.raises(ArchiveUnreachable, match="503") as raised:
        DicomWebArchive(service.url).store([file])
    assert not raised.value.kept_nothing, "it may have failed behind the store"


def test_what_went_out_before_it_was_asked_for_may_be_there(service: Service, file: Path) -> None:
    """The answer to a store says nothing of the instance, and who asks for it is not let in any more."""
    service.answers = [(409, b"", {}), (401, b"", {})]
    with pytest.raises(AssociationRejected) as raised:
        DicomWebArchive(service.url).store([file])
    assert not raised.value.kept_nothing


def test_an_instance_that_a_service_fails_over_does_not_keep_the_others(service: Service, tmp_path: Path) -> None:
    """What stands behind it is stored; a service that fails over each is left alone after three."""
    files = write_mr_series(tmp_path / "study", slices=5)
    service.answers = [(500, b"", {}), *[(200, b"", {})] * 4]
    outcomes = DicomWebArchive(service.url).store(files)
    assert [outcome.sop_instance_uid for outcome in outcomes] == [
        str(dcmread(file).SOPInstanceUID) for file in files[1:]
    ]
    service.answers, service.asked = [(500, b"", {})] * 5, []
    with pytest.raises(ArchiveUnreachable, match="500"):
        DicomWebArchive(service.url).store(files)
    assert len(service.asked) == 3


def test_a_redirect_is_not_followed(service: Service, file: Path) -> None:
    """Results go to the address that the site has named, and to no other."""
    service.answers = [(307, b"", {"Location": f"{service.url}/elsewhere"})]
    with pytest.raises(ArchiveUnreachable, match="another address"):
        DicomWebArchive(service.url).store([file])
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", b"<html>Log in</html>"),
        ("application/xhtml+xml; charset=utf-8", b"<html>Log in</html>"),
        ("text/plain", b"OK"),
        ("application/json", b'{"error": "log in"}'),
    ],
)
def test_what_is_no_stow_answer_is_no_word_that_something_is_stored(
    service: Service, file: Path, kind: str, body: bytes
) -> None:
    """As of a log-in that somebody has put before the archive, or of something that answers 200 to everything."""
    service.answers = [(200, body, {"Content-Type": kind})]
    with pytest.raises(ArchiveUnreachable, match="Does a log-in stand before it"):
        DicomWebArchive(service.url).store([file])


@pytest.mark.parametrize("answer", [(200, b"<html/>", {"Content-Type": "Text/HTML"}), (302, b"", {}), (207, b"", {})])
def test_what_says_nothing_of_a_deletion_is_none(service: Service, answer: tuple[int, bytes, dict[str, str]]) -> None:
    """A log-in page, or a status that no service answers DELETE with where it has deleted."""
    service.answers = [answer]
    with pytest.raises(ArchiveError, match="answered DELETE with"):
        DicomWebArchive(service.url).delete("1.2", "1.3", "1.4")


def test_who_we_are_is_shown_with_each_request(service: Service, file: Path) -> None:
    """The header is asked for anew each time; without one none is sent, whatever ~/.netrc says."""
    tokens = iter(("Bearer one", "Bearer two"))
    archive = DicomWebArchive(service.url, authorise=lambda: next(tokens))
    service.answers = [(200, b"", {}), (200, b"[]", JSON), (200, b"[]", JSON)]
    archive.store([file])
    archive.probe()
    DicomWebArchive(service.url).probe()
    assert [headers.get("Authorization") for _, _, headers in service.asked] == ["Bearer one", "Bearer two", None]


@pytest.mark.parametrize(
    "body", [b"not json", b'[{"0020000D": 5}]', b"7", b"[7]", b'[{"00201208": {"vr": "US", "Value": [Infinity]}}]']
)
def test_nonsense_is_no_identity(service: Service, body: bytes) -> None:
    """What is no DICOM JSON is an error that quotes nothing."""
    service.answers = [(200, body, JSON)]
    with pytest.raises(QueryFailed, match="no DICOM JSON"):
        DicomWebArchive(service.url).find_study("1.2.3")


def test_nonsense_does_not_make_what_was_stored_unanswered(service: Service, file: Path) -> None:
    """200 says it: all is stored."""
    service.answers = [(200, b'[{"00081197": {"vr": "US", "Value": [Infinity]}}]', JSON)]
    (outcome,) = DicomWebArchive(service.url).store([file])
    assert outcome.kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize("lost", ["ca", "certificate"])
def test_a_certificate_that_has_gone_is_told_as_such(tmp_path: Path, file: Path, lost: str) -> None:
    """It is not the result's file that cannot be read, and nothing has left."""
    archive = DicomWebArchive(
        "https://127.0.0.1:9",
        verify=str(tmp_path / "gone.pem") if lost == "ca" else True,
        certificate=(str(tmp_path / "gone.pem"), str(tmp_path / "gone.key")) if lost == "certificate" else None,
    )
    for ask in (archive.probe, lambda: archive.store([file])):
        with pytest.raises(ArchiveUnreachable, match="cannot be read; is each file there"):
            ask()


def test_a_service_that_does_not_search_is_there_all_the_same(service: Service) -> None:
    """It may store: whoever waits for it goes on; a question whose a study is gets its own error."""
    service.answers = [(404, b"", {}), (501, b"", {}), (404, b"", {})]
    archive = DicomWebArchive(service.url)
    archive.probe()
    with pytest.raises(ArchiveUnreachable, match="501"):
        archive.probe()
    with pytest.raises(QueryFailed, match="identity_check = false"):
        archive.find_study("1.2.3")


def test_other_studies_in_an_answer_do_not_count(service: Service) -> None:
    """A service that ignores the key answers with all that it has; two identities of one study are an error."""
    item = '{{"0020000D": {{"vr": "UI", "Value": ["{}"]}}, "00100020": {{"vr": "LO", "Value": ["{}"]}}}}'
    one, two, other = item.format("1.2.3", "A"), item.format("1.2.3", "B"), item.format("9.9", "C")
    service.answers = [(200, f"[{other}, {one}]".encode(), JSON), (200, f"[{one}, {two}]".encode(), JSON)]
    archive = DicomWebArchive(service.url)
    found = archive.find_study("1.2.3")
    assert found is not None
    assert found.patient_id == "A"
    with pytest.raises(QueryFailed, match="2 identities"):
        archive.find_study("1.2.3")


def packed(mebibytes: int) -> bytes:
    """Return gzip of so many MiB of spaces, which is a thousandth of them."""
    packer = zlib.compressobj(wbits=31)
    return b"".join([*(packer.compress(b" " * (1 << 20)) for _ in range(mebibytes)), packer.flush()])


@pytest.mark.parametrize("times", [1, 2])
def test_an_answer_that_unpacks_without_end_is_left(service: Service, file: Path, times: int) -> None:
    """It is refused before it is in memory, also where it is packed twice, for a search and for a STOW-RS."""
    body = packed(256) if times == 1 else gzip.compress(packed(256))
    headers = JSON | {"Content-Encoding": ", ".join(["gzip"] * times)}
    service.answers = [(200, body, headers), (200, body, headers)]
    archive = DicomWebArchive(service.url)
    tracemalloc.start()
    try:
        for ask in (lambda: archive.find_study("1.2.3"), lambda: archive.store([file])):
            with pytest.raises(ArchiveUnreachable, match="more than 16 MiB"):
                ask()
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("thing", [b"{},", b"0,", b"<a/>", rb"\\"], ids=["items", "values", "elements", "backslashes"])
def test_an_answer_of_many_things_is_not_parsed(service: Service, thing: bytes) -> None:
    """However few its bytes: each would be an object."""
    service.answers = [(200, b"[" + thing * (MOST_THINGS + 1) + b"0]", JSON)]
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveUnreachable, match=f"more than {MOST_THINGS} values"):
            DicomWebArchive(service.url).find_study("1.2.3")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_an_answer_that_is_packed_is_read(service: Service) -> None:
    """As before."""
    item = b'[{"0020000D": {"vr": "UI", "Value": ["1.2.3"]}, "00100020": {"vr": "LO", "Value": ["A"]}}]'
    service.answers = [(200, gzip.compress(item), JSON | {"Content-Encoding": "gzip"})]
    found = DicomWebArchive(service.url).find_study("1.2.3")
    assert found is not None
    assert found.patient_id == "A"


def test_an_answer_that_is_nested_without_end_is_no_identity(service: Service) -> None:
    """Deeper than a parser goes."""
    service.answers = [(200, b"[" * 100_000, JSON)]
    with pytest.raises(QueryFailed, match="no DICOM JSON"):
        DicomWebArchive(service.url).find_study("1.2.3")


@pytest.mark.parametrize("head", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_an_answer_that_trickles_is_left(head: str) -> None:
    """A byte now and then, each in time: the whole has its own limit."""

    def trickle(client: socket.socket) -> None:
        client.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n{head}\r\n\r\n".encode())
        if "chunked" in head:
            client.sendall(b"fffff\r\n")
        for_ever(client)

    with answering(trickle) as url:
        begun = time.monotonic()
        with pytest.raises(ArchiveUnreachable, match="took too long"):
            DicomWebArchive(url, timeout_s=1.0).find_study("1.2.3")
        assert time.monotonic() - begun < 30


@pytest.mark.parametrize("head", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_an_answer_that_breaks_off_is_no_answer(head: str) -> None:
    """It does not say that nobody has the study."""

    def break_off(client: socket.socket) -> None:
        client.sendall(f"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n{head}\r\n\r\n".encode())
        raise OSError

    with answering(break_off) as url, pytest.raises(ArchiveUnreachable, match="breaks off"):
        DicomWebArchive(url).find_study("1.2.3")


def test_a_head_that_trickles_is_left() -> None:
    """A head whose lines never end is no answer either."""

    def trickle(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for_ever(client)

    with answering(trickle) as url:
        begun = time.monotonic()
        with pytest.raises(ArchiveUnreachable, match="took too long"):
            DicomWebArchive(url, timeout_s=1.0).probe()
        assert time.monotonic() - begun < 30


def test_an_answer_that_trickles_through_tls_is_left(authority: Authority) -> None:
    """The thread that waits for it is woken there too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.issue("archive")
    context.load_cert_chain(pair.certificate, pair.key)
    for begin in (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"):

        def trickle(client: socket.socket, begin: bytes = begin) -> None:
            client.sendall(begin)
            for_ever(client)

        with answering(trickle, context) as url:
            begun = time.monotonic()
            with pytest.raises(ArchiveUnreachable, match="took too long"):
                DicomWebArchive(url, verify=str(authority.file), timeout_s=1.0).probe()
            assert time.monotonic() - begun < 30


def test_an_object_may_take_longer_to_leave_than_a_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large one over a slow line: as long as the archive takes it piece by piece."""
    monkeypatch.setattr(dicomweb_archive, "_CONNECT_S", 0.5)
    file = write_file(tmp_path / "large.dcm", dataset(BitsAllocated=8, PixelData=bytes(8 << 20)))

    def take_slowly(client: socket.socket) -> None:
        left = file.stat().st_size - (1 << 17)
        while left > 0 and (piece := client.recv(1 << 18)):
            left -= len(piece)
            time.sleep(0.05)  # the slow line itself
        # The client hangs up after that: until then, what is left of its request is taken.
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        while client.recv(1 << 20):
            pass

    with answering(take_slowly) as url:
        (outcome,) = DicomWebArchive(url).store([file])
    assert outcome.kind is OutcomeKind.ACCEPTED


def for_ever(client: socket.socket) -> None:
    """Send a byte now and then until the other side hangs up. Raises OSError then."""
    while True:
        client.sendall(b" ")
        time.sleep(0.05)  # the slow service itself


@contextmanager
def answering(answer: Callable[[socket.socket], None], context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Answer the first request over a socket, inside TLS where a context is given, until that raises OSError."""

    def serve() -> None:
        with suppress(OSError):
            plain, _ = door.accept()
            plain.settimeout(_LONGEST_SILENCE_S)
            with plain, plain if context is None else context.wrap_socket(plain, server_side=True) as client:
                client.recv(1 << 16)
                answer(client)

    with socket.create_server(("127.0.0.1", 0)) as door:
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{door.getsockname()[1]}/dicom-web"
        serving.join()
