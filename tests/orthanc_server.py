"""A real Orthanc on free loopback ports, for tests that send to an archive, ask it, and lose it for a while."""

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dicom_node.archives.archive import DicomArchive
from dicom_node.settings import Peer
from dicom_node.tls_settings import TlsClientSettings
from tests.optional import missing

_START_DEADLINE_S = 60.0
#: As Debian and as the Orthanc project install it.
_DICOMWEB_PLUGINS = (
    Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so"),
    Path("/usr/local/share/orthanc/plugins/libOrthancDicomWeb.so"),
)


#: Of every one.
_SETTINGS = {
    "Name": "test archive",
    "RemoteAccessAllowed": False,
    "AuthenticationEnabled": False,
    "DicomAet": "ORTHANC",
    "DicomAlwaysAllowEcho": True,
    "DicomAlwaysAllowStore": True,
    "DicomAlwaysAllowFind": True,
    "DicomCheckModalityHost": False,
    "OverwriteInstances": False,
    "StableAge": 1,
    "Plugins": [],
}


def _dicomweb_plugin() -> Path:
    found = next((path for path in _DICOMWEB_PLUGINS if path.exists()), None)
    return found or missing("Orthanc's DICOMweb plugin is not installed: apt-get install orthanc-dicomweb")


def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


class OrthancServer:
    """Starts and stops one Orthanc without root; what it stores outlives a stop.

    Attributes:
        dicom_port: It takes associations there, called ORTHANC.
        url: Of its REST API, without a slash at the end.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dicom_port: int,
        http_port: int,
        unknown_sop_classes: bool = True,
        anybody_retrieves: bool = True,
        encoding: str = "Latin1",
        dicomweb_host: str | None = None,
        scripts: Sequence[Path] = (),
        tls: TlsClientSettings | None = None,
        user: tuple[str, str] | None = None,
    ) -> None:
        """Prepare one.

        Args:
            folder: Of its own, for what it stores.
            dicom_port: Where it takes associations.
            http_port: Of its REST API.
            unknown_sop_classes: Whether it takes SOP classes that it does not know.
            anybody_retrieves: Whether AE titles that it does not know may ask C-GET and C-MOVE.
            encoding: In which it answers queries, whatever the objects are in.
            scripts: In Lua, which it runs.
            dicomweb_host: With it, DICOMweb is spoken below /dicom-web, and addresses of bulk data begin with this
                host:port, where a viewer's page comes from too.
            tls: With it, it takes associations over TLS only, and calls others with this certificate too.
            user: With it, it speaks HTTP with this user only, who has this password.
        """
        self.dicom_port = dicom_port
        self._tls = tls
        self.url = f"http://127.0.0.1:{http_port}"
        self._headers = {} if user is None else {"Authorization": f"Basic {_basic(*user)}"}
        self._config = folder / "orthanc.json"
        self._log = folder / "orthanc.log"
        self._process: subprocess.Popen[bytes] | None = None
        settings: dict[str, Any] = {
            **_SETTINGS,
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": http_port,
            "DicomPort": dicom_port,
            "DicomAlwaysAllowGet": anybody_retrieves,
            "DicomAlwaysAllowMove": anybody_retrieves,
            "UnknownSopClassAccepted": unknown_sop_classes,
            "DefaultEncoding": encoding,
            "LuaScripts": [str(script) for script in scripts],
        }
        if dicomweb_host is not None:
            settings["Plugins"] = [str(_dicomweb_plugin())]
            settings["DicomWeb"] = {"Enable": True, "Root": "/dicom-web/", "Host": dicomweb_host}
        if tls is not None:
            settings |= {
                "DicomTlsEnabled": True,
                "DicomTlsCertificate": str(tls.certificate),
                "DicomTlsPrivateKey": str(tls.key),
                "DicomTlsTrustedCertificates": str(tls.ca),
                "DicomTlsRemoteCertificateRequired": True,
            }
        if user is not None:
            settings |= {"AuthenticationEnabled": True, "RegisteredUsers": dict([user])}
        self._config.write_text(json.dumps(settings))

    @property
    def pid(self) -> int:
        """Of its process, which must run."""
        assert self._process is not None
        return self._process.pid

    @property
    def peer(self) -> Peer:
        """Where it takes associations."""
        return Peer(ae_title="ORTHANC", host="127.0.0.1", port=self.dicom_port, tls=self._tls)

    def start(self) -> None:
        """Start it unless it runs, and wait until it answers."""
        if self._process is not None:
            return
        binary = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
        if binary is None:
            missing("Orthanc is not installed: apt-get install orthanc")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [binary, str(self._config)], stdout=log, stderr=log, env={**os.environ, "TCP_NODELAY": "1"}
            )
        deadline = time.monotonic() + _START_DEADLINE_S
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                pytest.fail(f"Orthanc did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as an outage would; its storage stays."""
        if self._process is not None:
            # Asked to stop it would take seconds to say goodbye; its index is a database that survives this.
            self._process.kill()
            self._process.wait()
            self._process = None

    def rest(self, path: str, *, body: object = None, method: str | None = None) -> Any:
        """Call its REST API and return the JSON answer (bytes if it is none).

        Args:
            path: Such as ``/studies``.
            body: Sent as JSON, bytes as they are; makes the call a POST.
            method: Another method.
        """
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        address = self.url + path
        request = urllib.request.Request(address, data=data, method=method, headers=self._headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            content = answer.read()
        try:
            return json.loads(content) if content else None
        except ValueError:
            return content

    def know(self, name: str, ae_title: str, port: int) -> None:
        """Let it know a peer on this machine as a modality, so that it can route to it."""
        modality = {"AET": ae_title, "Host": "127.0.0.1", "Port": port, "UseDicomTls": self._tls is not None}
        self.rest(f"/modalities/{name}", body=modality, method="PUT")

    def forget(self, name: str) -> None:
        """Let it no longer know a peer by this name, if it does."""
        if name in self.rest("/modalities"):
            self.rest(f"/modalities/{name}", method="DELETE")

    def take(self, files: Sequence[Path]) -> None:
        """Give it files, as a modality would have."""
        for file in files:
            self.rest("/instances", body=file.read_bytes())

    def route_to(self, ae_title: str, port: int, study_instance_uid: str | None = None) -> None:
        """Have it send all its studies, or one, to a peer on this machine, over one association a study."""
        self.know("wetread", ae_title, port)
        named = {} if study_instance_uid is None else {"StudyInstanceUID": study_instance_uid}
        for study in self.rest("/tools/find", body={"Level": "Study", "Query": named}):
            self.rest("/modalities/wetread/store", body=study.encode())

    def _answers(self) -> bool:
        try:
            self.rest("/system")
        except (urllib.error.URLError, ConnectionError):
            return False
        return DicomArchive(self.peer, "TEST", connect_timeout_s=2).echo() is None
