"""Keeps decoders and arrays out of a process that only receives: a third of its memory."""

import sys

#: What pydicom imports by itself where it is installed, only to be able to decode pixel data.
_NOT_NEEDED = ("numpy", "gdcm", "openjpeg", "rle", "jpeg_ls", "libjpeg", "PIL")


def without_decoders() -> None:
    """Let imports of array and decoder libraries fail in this process, which pydicom takes as "not installed".

    Called before pydicom is imported; what was imported before stays.
    """
    for name in _NOT_NEEDED:
        # A None in sys.modules makes `import name` raise ImportError (Python reference, 5.3.1).
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
