"""Keeps a process that only receives small: no decoders, no arrays, and no heap for each thread."""

import ctypes
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


#: M_ARENA_MAX of glibc's malloc.h.
_ARENA_MAX = -8
_ARENAS = 2


def with_few_heaps() -> None:
    """Let threads share two heaps, where the C library is glibc.

    Each association has threads of its own, and glibc gives them up to eight heaps a core, of which each keeps its
    holes: under thirty thousand hostile connections a node grew by 19 MB, with two heaps by 5 (`make fuzz`). Python's
    lock lets one thread at a time allocate, so hardly anybody waits for a heap.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, _ARENAS)
