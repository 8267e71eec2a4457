"""Which SOP classes and transfer syntaxes we take, and in which order."""

from collections.abc import Collection, Iterable

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom import ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts
from pynetdicom.presentation import PresentationContext, build_context

#: Ours, derived once from random bits (PS3.5 B.2), never from another implementation's root.
IMPLEMENTATION_CLASS_UID = "2.25.88748531076648248132764909547493520487"
#: Of what we keep in (0002,0102) of a file: derived once, likewise.
PRIVATE_INFORMATION_CREATOR_UID = "2.25.317419953146963070848436124049075631151"
IMPLEMENTATION_VERSION_NAME = "WETREAD_0_1"  # PS3.7 D.3.3.2.4, at most 16 characters

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"  # Push Model, PS3.4 J
PERFORMED_PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"  # Modality Performed Procedure Step, PS3.4 F
INSTANCE_AVAILABILITY = "1.2.840.10008.5.1.4.33"  # Instance Availability Notification, PS3.4 R
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
MODALITY_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"

_DICOM_ROOT = "1.2.840.10008."
#: Every composite storage class of PS3.4 B.5 that a library does not know yet, and the retired ones, are below this.
_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."
_STORAGE = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)

_UNCOMPRESSED_LAST = (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
#: The first of these that a context offers is taken. Explicit before implicit keeps the VRs; compressed before implicit
#: keeps a sender from decompressing; big endian is retired; deflated hides the dataset from whoever looks.
TRANSFER_SYNTAXES: tuple[str, ...] = (
    str(ExplicitVRLittleEndian),
    *(
        str(syntax)
        for syntax in ALL_TRANSFER_SYNTAXES
        if syntax != ExplicitVRLittleEndian and syntax not in _UNCOMPRESSED_LAST
    ),
    *(str(syntax) for syntax in _UNCOMPRESSED_LAST),
)

#: Of services beside storage: small datasets, and nothing that has to be inflated.
SERVICE_TRANSFER_SYNTAXES: tuple[str, ...] = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))


def is_private(sop_class_uid: str) -> bool:
    """Say whether a SOP class is not the standard's."""
    return not sop_class_uid.startswith(_DICOM_ROOT)


def is_storage(sop_class_uid: str) -> bool:
    """Say whether we store instances of this class: every storage class of the standard, and every private one."""
    return is_private(sop_class_uid) or sop_class_uid in _STORAGE or sop_class_uid.startswith(_STORAGE_ROOT)


def supported(proposed: Iterable[str], services: Collection[str] = ()) -> list[PresentationContext]:
    """Return a context for each proposed abstract syntax that we take, transfer syntaxes in our order.

    `services` are SOP classes beside storage and verification that this caller may use.

    Built from the proposal, so that private classes can be taken, and no association copies 200 contexts.
    """
    asked = dict.fromkeys(proposed)
    contexts = [build_context(uid, list(TRANSFER_SYNTAXES)) for uid in asked if is_storage(uid)]
    others = [build_context(uid, list(SERVICE_TRANSFER_SYNTAXES)) for uid in asked if uid in services]
    return [build_context(VERIFICATION), *contexts, *others]
