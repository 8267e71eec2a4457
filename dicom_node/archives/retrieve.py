"""Gets a study's objects back from an archive (C-GET, PS3.4 C.4.3), each written as it came."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import build_role, evt

from dicom_node.archives.requestor import Requestor
from dicom_node.contexts import STUDY_ROOT_GET
from dicom_node.errors import QueryFailed
from dicom_node.settings import Peer

_PENDING = (0xFF00, 0xFF01)
_SUCCESS = 0x0000
#: Of objects that we make, none comes near.
_LONGEST_INSTANCE = 1 << 30


def get_study(
    peer: Peer, calling_ae_title: str, study_instance_uid: str, sop_classes: Sequence[str], folder: Path
) -> list[Path]:
    """Get the objects of these SOP classes that the archive holds for a study; return the files, as they came.

    Raises ArchiveUnreachable, AssociationRejected, QueryFailed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []

    def keep(event: Any) -> int:
        file = folder / f"{len(files):04d}.dcm"
        with file.open("wb") as stream:
            stream.write(event.encoded_dataset())
        files.append(file)
        return _SUCCESS

    # As our own objects are encoded: nothing on the way re-encodes them.
    kinds = [(STUDY_ROOT_GET, None), *((sop_class, ExplicitVRLittleEndian) for sop_class in sop_classes)]
    roles = [build_role(sop_class, scp_role=True) for sop_class in sop_classes]
    requestor = Requestor(peer=peer, calling_ae_title=calling_ae_title)
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.StudyInstanceUID = study_instance_uid
    with requestor.associate(
        kinds, roles=roles, handlers=[(evt.EVT_C_STORE, keep)], longest_instance=_LONGEST_INSTANCE
    ) as association:
        for status, _ in association.send_c_get(query, STUDY_ROOT_GET):
            code = status.get("Status")
            # A warning (B000) says that some sub-operations failed: instances of classes that were not asked for.
            if code is None or code not in (*_PENDING, _SUCCESS, 0xB000):
                raise QueryFailed(f"{peer.ae_title} answered C-GET with {code if code is None else f'{code:04X}'}")
    return files
