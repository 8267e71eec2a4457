"""What pydicom raises over bytes that are not what they claim to be."""

import struct
import zlib

from pydicom.errors import BytesLengthException, InvalidDicomError

#: It converts a value when that is asked for, so any of these may come out of any attribute of a foreign dataset.
PARSE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    OSError,
    struct.error,
    zlib.error,
)
