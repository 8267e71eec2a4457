"""Imports an ONNX file as it is, with a card that says what the file cannot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.errors import WeightsRefused
from models.importing.imported_model import onnx_answer, write_model

_LARGEST_FILE = 2 << 30  # protobuf's own limit


def import_onnx(file: Path, wishes: Mapping[str, Any], target_dir: Path) -> Path:
    """Write the model directory and return it.

    Args:
        file: The network; what it keeps outside of itself must lie beside it.
        wishes: The card, without networks and golden files.
        target_dir: Directory of this machine's models.

    Raises WeightsRefused, CardError (a draft is written), OSError.
    """
    import onnx  # noqa: PLC0415  # `models` starts without it

    from models.runtimes.onnx_failures import NO_NETWORK  # noqa: PLC0415  # as above

    if file.is_file() and file.stat().st_size > _LARGEST_FILE:
        raise WeightsRefused(f"{file} is larger than an ONNX file can be")
    try:
        # With its external data: a model directory is complete in itself.
        network = onnx.load(file, format="protobuf").SerializeToString()
    except OSError as error:
        raise WeightsRefused(f"{file} cannot be read ({error.strerror})") from error
    except (*NO_NETWORK, TypeError) as error:  # a TypeError: where its external data lies is no text
        raise WeightsRefused(f"{file} cannot be read as ONNX ({type(error).__name__}); export it again") from error
    return write_model(target_dir, wishes, network, onnx_answer(network))
