"""How large an image a compressed frame will become, from its first bytes, before a decoder makes room for it."""

import struct

_JPEG, _JPEG_2000, _JP2_BOX = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP"
#: Start-of-frame markers: JPEG (T.81 table B.1, all but DHT, JPG and DAC), JPEG-LS (T.87 C.2.2).
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
#: A JP2 header is some hundred bytes; the codestream begins soon after it.
_JP2_HEADER = 4096


def codestream_size(frame: bytes) -> tuple[int, int, int] | None:
    """Return rows, columns and samples of a JPEG, JPEG-LS or JPEG 2000 frame; None where its bytes do not tell."""
    try:
        if frame.startswith(_JP2_BOX):
            frame = frame[max(frame.find(_JPEG_2000, 0, _JP2_HEADER), 0) :]
        if frame.startswith(_JPEG_2000):
            return _jpeg_2000_size(frame)
        return _jpeg_size(frame) if frame.startswith(_JPEG) else None
    except (struct.error, IndexError):
        return None


def _jpeg_2000_size(frame: bytes) -> tuple[int, int, int]:
    # SIZ (T.800 A.5.1): the image is the reference grid less its offset.
    width, height, left, top = struct.unpack_from(">4I", frame, 8)
    (samples,) = struct.unpack_from(">H", frame, 40)
    return height - top, width - left, samples


def _jpeg_size(frame: bytes) -> tuple[int, int, int] | None:
    position = len(_JPEG)
    while frame[position] == 0xFF:  # noqa: PLR2004  # every marker begins with it
        marker = frame[position + 1]
        if marker == 0xFF:  # noqa: PLR2004  # fill byte (T.81 B.1.1.2)
            position += 1
        elif marker in _START_OF_FRAME:
            rows, columns, samples = struct.unpack_from(">HHB", frame, position + 5)
            return rows, columns, samples
        else:
            position += 2 + int(struct.unpack_from(">H", frame, position + 2)[0])
    return None
