"""Which decoder takes the pixel data of which transfer syntax, by measurement, behind pydicom's own interface.

Milliseconds a frame of a 512 x 512, 16 bit chest CT, one thread, the fastest of each (`make bench-series` measures the
whole way): RLE: imagecodecs 0.7, without pydicom between (`plain_frames`), pylibjpeg 4.9, pydicom's own 39.
JPEG Lossless: imagecodecs (libjpeg-turbo) 7.6, gdcm 42. JPEG-LS: imagecodecs (CharLS) 26, pyjpegls 48, gdcm 52. JPEG
2000: gdcm 120, imagecodecs (OpenJPEG) 141, pylibjpeg 142. Of these only imagecodecs lets a second thread decode
meanwhile.
"""

from pydicom import uid
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import DecodeRunner

_PLUGIN = "imagecodecs"
_BITS_A_BYTE = 8

#: Grey frames only: in colour, which conversion a codestream has had differs from codec to codec.
_IMAGECODECS: dict[str, str] = {
    uid.JPEGExtended12Bit: "jpeg8_decode",
    uid.JPEGLossless: "jpeg8_decode",
    uid.JPEGLosslessSV1: "jpeg8_decode",
    uid.JPEGLSLossless: "jpegls_decode",
    uid.JPEG2000Lossless: "jpeg2k_decode",
    uid.HTJ2KLossless: "jpeg2k_decode",
    uid.HTJ2KLosslessRPCL: "jpeg2k_decode",
}
#: The plugin of pydicom's that is the fastest where colour keeps ours away.
_FASTEST = {uid.RLELossless: "pylibjpeg"}

#: pydicom asks a plugin's module for these two.
DECODER_DEPENDENCIES = dict.fromkeys(_IMAGECODECS, ("imagecodecs",))


def is_available(transfer_syntax_uid: str) -> bool:
    """Say whether this plugin decodes a transfer syntax; pydicom's protocol."""
    return transfer_syntax_uid in _IMAGECODECS


def plugin_for(transfer_syntax_uid: str, samples: int) -> str:
    """Return the name of the decoder to take; empty leaves it to pydicom's order."""
    if samples == 1 and transfer_syntax_uid in _IMAGECODECS:
        return _PLUGIN
    return _FASTEST.get(transfer_syntax_uid, "")


def in_parallel(transfer_syntax_uid: str, samples: int) -> bool:
    """Say whether a second thread decodes while the first does: the decoder lets Python go on."""
    plain = transfer_syntax_uid == uid.RLELossless and samples == 1  # `worker.series.plain_frames`, by imagecodecs too
    return plain or plugin_for(transfer_syntax_uid, samples) == _PLUGIN


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decode one grey frame; pydicom's protocol. Raises what imagecodecs raises, as RuntimeError."""
    import imagecodecs  # noqa: PLC0415  # forty libraries, for who has compressed images

    try:
        values = getattr(imagecodecs, _IMAGECODECS[runner.transfer_syntax])(src)
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:  # each codec's own is a RuntimeError
        # pydicom tells the words alone, and those of a MemoryError are none.
        raise RuntimeError(f"{type(error).__name__}: {error}") from error
    runner.set_option("bits_allocated", _BITS_A_BYTE * values.dtype.itemsize)
    return bytes(values.tobytes())


def register() -> None:
    """Give pydicom the plugin, once in a process."""
    for syntax in _IMAGECODECS:
        decoder = get_decoder(syntax)
        if _PLUGIN not in decoder.available_plugins:
            decoder.add_plugin(_PLUGIN, (__name__, "decode_frame"))
