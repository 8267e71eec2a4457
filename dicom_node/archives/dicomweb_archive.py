"""An archive over DICOMweb (PS3.18): STOW-RS stores, QIDO-RS says whose study it is, DELETE takes back.

Imported only where a destination needs it: its library brings numpy and Pillow with it.
"""

import ssl
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom import dcmread
from pydicom.dataset import Dataset
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.exceptions import SSLError as TlsFailed

from dicom_node.archives.bounded_answer import BodyTooLarge, TimedAdapter, read_body
from dicom_node.archives.identity import StudyIdentity
from dicom_node.archives.sender import StoreOutcome
from dicom_node.archives.stow_answer import (
    NO_DICOM_JSON,
    already_there,
    answered_dataset,
    is_stow_answer,
    outcome_of_stow,
    unexplained,
)
from dicom_node.datasets.part10 import FileMeta, read_meta
from dicom_node.errors import ArchiveError, ArchiveUnreachable, AssociationRejected, QueryFailed, ServiceFailed

#: Nothing is larger: a body is sent with its length, since not every proxy takes chunks.
_ONE_PIECE = 1 << 50
_CONNECT_S = 10.0
#: A study that nobody has.
_NOBODYS = "2.25.0"
_DELETED = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT)
_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_BREAKS_OFF = "its answer breaks off, or cannot be unpacked; is something between that ends connections?"
#: In this order: some are kinds of others.
_CAUSES: dict[type[Exception], str] = {
    requests.exceptions.SSLError: (
        "its certificate is not trusted, or TLS failed; does ca_file name its CA, and is its host right?"
    ),
    requests.Timeout: "it took too long; is it up, and timeout_s long enough for the largest result?",
    requests.TooManyRedirects: "it leads to another address; name that one in `url` if it is right",
    requests.exceptions.ChunkedEncodingError: _BREAKS_OFF,
    requests.exceptions.ContentDecodingError: _BREAKS_OFF,
    requests.ConnectionError: "no connection; is it up, are host and port right, is a firewall between?",
}
_NO_CREDENTIALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
#: Instances in one go that it fails over before it is left alone for a while.
_MOST_FAILURES = 3

#: Returns the Authorization header of one request, read anew each time. Raises ArchiveUnreachable.
Authorise = Callable[[], str]


class DicomWebArchive:
    """An archive over DICOMweb. For one thread; connections are kept open between calls."""

    def __init__(
        self,
        url: str,
        *,
        authorise: Authorise | None = None,
        verify: str | bool = True,
        certificate: tuple[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        """Take the address before /studies, and how to show who we are.

        Args:
            url: http(s)://...
            authorise: Gives the Authorization header; None for none.
            verify: Path of the certificates to trust, or True for the library's own; never off.
            certificate: Paths of our certificate and its key, for archives that want one.
            timeout_s: For each answer to begin, and for each to come to its end.
        """
        self._url = url
        self._timeout_s = timeout_s
        session = requests.Session()
        # Neither credentials of ~/.netrc nor certificates of an environment variable that nobody has set for this.
        session.trust_env = False
        session.max_redirects = 0  # one would carry results to an address that the site has not named
        session.verify = verify
        session.cert = certificate
        session.auth = _Headers(authorise)
        for scheme in ("http://", "https://"):
            session.mount(scheme, TimedAdapter())
        session.hooks["response"].append(self._heard)
        self._answer: requests.Response | None = None
        self._client = DICOMwebClient(url, session=session, chunk_size=_ONE_PIECE, timeout=(_CONNECT_S, timeout_s))
        self._client.set_http_retry_params(retry=False)  # the ledger knows when to try again

    def __str__(self) -> str:
        """Name the service, for errors."""
        return self._url

    def probe(self) -> None:
        """Search for a study that nobody has; a service that does not search is there too.

        Raises ArchiveUnreachable, AssociationRejected.
        """
        status = self._asked(
            lambda: self._client.search_for_studies(search_filters={"StudyInstanceUID": _NOBODYS}, limit=1)
        ).status_code
        if status in _NO_CREDENTIALS:
            raise AssociationRejected(f"{self} answered {status}: is our user or token known there?")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ArchiveUnreachable(f"{self} answered {status}: is it well?")

    def find_study(self, study_uid: str) -> StudyIdentity | None:
        """QIDO-RS, level of studies (PS3.18 10.6). Raises ArchiveUnreachable, AssociationRejected, QueryFailed."""
        found: dict[StudyIdentity, None] = {}
        for answered in self._search({"StudyInstanceUID": study_uid}, StudyIdentity.keywords()):
            # A service that ignores the key answers with all its studies.
            if str(answered.get("StudyInstanceUID", "")) == study_uid:
                found[StudyIdentity.of(answered)] = None
        if len(found) > 1:
            raise QueryFailed(f"{self}: has study {study_uid} under {len(found)} identities; mend it there")
        return next(iter(found), None)

    def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        """STOW-RS (PS3.18 10.5), an instance a request, so that no more than one is in memory.

        Raises ArchiveUnreachable, AssociationRejected, NotDicom. Shorter than `files` where it failed over one, and
        where it went away in between.
        """
        outcomes: list[StoreOutcome] = []
        failures: list[ArchiveError] = []
        for meta in [read_meta(file) for file in files]:
            try:
                outcomes.append(self._store(meta))
            except ServiceFailed as error:
                # It may be this one that it cannot take: what stands behind it must not wait for that.
                failures.append(error)
                if len(failures) == _MOST_FAILURES:
                    break
            except ArchiveError as error:
                failures.append(error)
                break
        if failures and not outcomes:
            raise failures[0]
        return outcomes

    def delete(self, study_uid: str, series_uid: str, sop_instance_uid: str) -> None:
        """DELETE of an instance, which many services have beside the standard. Raises ArchiveError."""
        answer = self._asked(lambda: self._client.delete_instance(study_uid, series_uid, sop_instance_uid))
        status = answer.status_code
        if "html" in answer.headers.get("Content-Type", "").lower() and answer.ok:
            raise ArchiveError(f"{self} answered DELETE with a web page: does a log-in stand before it?")
        if status not in (*_DELETED, *_GONE):
            raise ArchiveError(f"{self} answered DELETE with {status}: does it delete, and may we?")

    def _store(self, meta: FileMeta) -> StoreOutcome:
        # What pydicom has not looked into it writes as it was, so that these are the file's own bytes.
        dataset = dcmread(meta.file)
        answer = self._asked(lambda: self._client.store_instances([dataset]))
        if answer.ok and not is_stow_answer(answer.content):
            raise ArchiveUnreachable(
                f"{self} answered {answer.status_code} with something that is no answer to STOW-RS: is that the "
                "address before /studies? Does a log-in stand before it?"
            )
        answered = answered_dataset(answer.content)
        uid = meta.sop_instance_uid
        outcome = outcome_of_stow(answer.status_code, answered, uid, str(self))
        if outcome is not None:
            return outcome
        try:
            return already_there(uid) if self._has(dataset, uid) else unexplained(uid)
        except ArchiveError as error:
            error.kept_nothing = False  # the instance went before that was asked
            raise

    def _has(self, dataset: Dataset, sop_instance_uid: str) -> bool:
        found = self._json(
            lambda: self._client.search_for_instances(
                dataset.StudyInstanceUID,
                dataset.SeriesInstanceUID,
                search_filters={"SOPInstanceUID": sop_instance_uid},
            )
        )
        return any(str(item.get("SOPInstanceUID", "")) == sop_instance_uid for item in found)

    def _search(self, keys: dict[str, str], fields: Sequence[str]) -> list[Dataset]:
        return self._json(
            lambda: self._client.search_for_studies(search_filters=keys, fields=list(fields) or None, limit=10)
        )

    def _json(self, ask: Callable[[], Any]) -> list[Dataset]:
        answer = self._asked(ask)
        if answer.status_code in _NO_CREDENTIALS:
            raise AssociationRejected(f"{self} answered {answer.status_code}: is our user or token known there?")
        if answer.status_code == HTTPStatus.NO_CONTENT or (answer.status_code == HTTPStatus.OK and not answer.content):
            return []
        if HTTPStatus.BAD_REQUEST <= answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise QueryFailed(
                f"{self} answered a search with {answer.status_code}: if it has none, set identity_check = false"
            )
        if answer.status_code != HTTPStatus.OK:
            raise ArchiveUnreachable(f"{self} answered a search with {answer.status_code}: is it well?")
        try:
            return [Dataset.from_json(item) for item in answer.json()]
        except NO_DICOM_JSON as error:
            # Not the parser's words: they may quote the answer.
            raise QueryFailed(f"{self} answered a search with something that is no DICOM JSON") from error

    def _asked(self, ask: Callable[[], Any]) -> requests.Response:
        """Ask, and return the answer whatever its status. Raises ArchiveUnreachable."""
        self._answer = None
        try:
            ask()
        except BodyTooLarge as error:
            raise ArchiveUnreachable(
                f"{self} answered with {error} and was left: is that the address before /studies?"
            ) from error
        except NO_DICOM_JSON as error:  # an error of requests is an OSError
            # The library raises over statuses, and over bodies that it cannot parse: we look at both ourselves.
            if self._answer is None or isinstance(error, requests.TooManyRedirects):
                away = ArchiveUnreachable(f"{self} does not answer: {_words(error)}")
                away.kept_nothing = _never_connected(error)
                raise away from error
        if self._answer is None:
            raise ArchiveUnreachable(f"{self} does not answer")
        return self._answer

    def _heard(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        # Before requests reads it: what breaks off is no answer.
        read_body(answer, seconds=self._timeout_s)
        self._answer = answer


class _Headers(AuthBase):
    """What the library does not say of a request: who we are, and in which form we read an answer to STOW-RS."""

    def __init__(self, authorise: Authorise | None) -> None:
        self._authorise = authorise

    def __call__(self, request: Any) -> Any:
        if self._authorise is not None:
            request.headers["Authorization"] = self._authorise()
        if request.method == "POST":
            request.headers["Accept"] = "application/dicom+json"
        return request


def _never_connected(error: Exception) -> bool:
    """Tell whether it is certain that no request went out: there was no connection, or none with who it should be."""
    cause = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(cause, TlsFailed):
        # Other troubles of TLS may come in the middle of a request.
        return any(isinstance(it, ssl.SSLCertVerificationError) for it in cause.args)
    return isinstance(cause, (NewConnectionError, ConnectTimeoutError))


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException):
        return "a certificate, key or ca_file of its settings cannot be read; is each file there?"
    return next((words for kind, words in _CAUSES.items() if isinstance(error, kind)), type(error).__name__)
