"""How it is told what pydicom raises over bytes that are not what they claim to be (`PARSE_ERRORS`)."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydicom.datadict import tag_for_keyword

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from worker.errors import SeriesUnreadable


@contextmanager
def told_as_unreadable(name: str) -> Iterator[None]:
    """Raise SeriesUnreadable, naming the file, for what pydicom raises inside."""
    try:
        yield
    except PARSE_ERRORS as error:
        raise SeriesUnreadable(f"{name}: {_told(error)}; was it cut or altered?") from error


def _told(error: Exception) -> str:
    """Return what is wrong; pydicom's words quote the value, and a value may be a patient's."""
    if isinstance(error, AttributeError) and tag_for_keyword(error.name or "") is not None:
        return f"its header has no {error.name}"
    return f"a value in its header is not what DICOM allows ({type(error).__name__})"


@contextmanager
def panics_as_errors() -> Iterator[None]:
    """Raise RuntimeError for the panic of a library written in Rust, such as the decoder of RLE.

    To Python it is a BaseException, as a stop signal is: taken for one, its job would be handed back for ever.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise RuntimeError("a library gave up on these bytes (panic)") from None
