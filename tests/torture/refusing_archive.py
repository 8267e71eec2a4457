"""An archive that is out of resources: whatever it is sent or asked, it answers A700 (PS3.4 B.2.3, C.4.1.1.4).

Orthanc cannot be made to say so: what its filters turn away is answered with success.
"""

from typing import Any

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification

_OUT_OF_RESOURCES = 0xA700


class RefusingArchive:
    """Listens in an archive's place for a while."""

    def __init__(self, port: int) -> None:
        """Take the port that the archive has left."""
        self._port = port
        self._server: Any = None
        self.refused = 0

    def start(self) -> None:
        """Listen."""
        ae = AE(ae_title="ORTHANC")
        ae.supported_contexts = AllStoragePresentationContexts
        for service in (Verification, StudyRootQueryRetrieveInformationModelFind):
            ae.add_supported_context(service)
        handlers = [(evt.EVT_C_STORE, self._refuse), (evt.EVT_C_FIND, self._find)]
        self._server = ae.start_server(("127.0.0.1", self._port), block=False, evt_handlers=handlers)  # type: ignore[arg-type]

    def stop(self) -> None:
        """Give the port back."""
        self._server.shutdown()

    def _refuse(self, _event: Any) -> int:
        self.refused += 1
        return _OUT_OF_RESOURCES

    def _find(self, _event: Any) -> Any:
        yield _OUT_OF_RESOURCES, None
