"""SOP classes and transfer syntaxes."""

from pynetdicom import AllStoragePresentationContexts
from pynetdicom.presentation import build_context, negotiate_as_acceptor

from dicom_node.contexts import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    TRANSFER_SYNTAXES,
    is_storage,
    supported,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT, BIG_ENDIAN, JPEG_LOSSLESS = (
    "1.2.840.10008.1.2.1",
    "1.2.840.10008.1.2",
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.4.70",
)


def _taken(*offered: str) -> str:
    proposal = build_context(CT, list(offered))
    proposal.context_id = 1
    (answer,), _ = negotiate_as_acceptor([proposal], supported([CT]))
    return str(answer.transfer_syntax[0])


def test_transfer_syntaxes_are_taken_in_our_order() -> None:
    """Whatever the order of the offer: explicit, then compressed, then implicit, then big endian."""
    assert _taken(IMPLICIT, BIG_ENDIAN, JPEG_LOSSLESS, EXPLICIT) == EXPLICIT
    assert _taken(IMPLICIT, BIG_ENDIAN, JPEG_LOSSLESS) == JPEG_LOSSLESS
    assert _taken(BIG_ENDIAN, IMPLICIT) == IMPLICIT
    assert _taken(BIG_ENDIAN) == BIG_ENDIAN


def test_every_storage_class_is_taken() -> None:
    """Every storage class that pynetdicom knows, retired and private ones are taken; a query class is not."""
    assert all(is_storage(str(context.abstract_syntax)) for context in AllStoragePresentationContexts)
    assert is_storage("1.2.840.10008.5.1.4.1.1.6")
    assert is_storage("1.3.12.2.1107.5.9.1")
    assert not is_storage("1.2.840.10008.5.1.4.1.2.2.1")


def test_a_class_proposed_twice_is_supported_once() -> None:
    """Verification always comes first, and each proposed storage class follows once."""
    contexts = supported([CT, "1.2.840.10008.5.1.4.1.2.2.1", CT])
    assert [str(context.abstract_syntax) for context in contexts] == ["1.2.840.10008.1.1", CT]


def test_every_syntax_is_there_once() -> None:
    """The list of transfer syntaxes has no repetition and ends with deflated."""
    assert len(set(TRANSFER_SYNTAXES)) == len(TRANSFER_SYNTAXES)
    assert TRANSFER_SYNTAXES[-1] == "1.2.840.10008.1.2.1.99"


def test_implementation_is_our_own() -> None:
    """The Implementation Class UID is under 2.25 and both identifiers are as long as they may be."""
    assert IMPLEMENTATION_CLASS_UID.startswith("2.25.")
    assert len(IMPLEMENTATION_CLASS_UID) <= 64
    assert len(IMPLEMENTATION_VERSION_NAME) <= 16
