"""A model that comes packed, as an executable or a container: a directory of DICOM in, NIfTI labels or JSON out."""

import gzip
import json
import math
import shutil
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.card.card_inference import Command
from models.card.card_parts import Concept
from models.card.manifest import Card
from models.errors import RuntimeFailed
from models.findings import LARGEST, Finding, Measurement
from models.preparing.grid import grid_of, resample
from models.programs.bounded_process import ended, folder_of_its_own, run_bounded
from models.volume import Volume

LABELS, FINDINGS = ("labels.nii.gz", "labels.nii"), "findings.json"
_MOST_JSON = 1 << 20
#: Voxels of the grid of 1 mm that programs of heads bring thick slices to, and answer on.
_CONFORMED = 256**3
#: NIfTI's world is RAS, DICOM's LPS.
_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MeasurementAnswer(_Strict):
    """A number of the whole input."""

    name: Concept
    value: float = Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)
    unit: Concept


class FindingAnswer(_Strict):
    """A coded answer about the whole input."""

    name: Concept
    value: Concept
    certainty_percent: float | None = Field(default=None, ge=0, le=100)


class Answer(_Strict):
    """``findings.json``."""

    measurements: tuple[MeasurementAnswer, ...] = Field(default=(), max_length=500)
    findings: tuple[FindingAnswer, ...] = Field(default=(), max_length=500)


def ask_command(
    card: Card, command: Command, files: Sequence[Path], source: Volume, *, loud: bool = False
) -> tuple[Volume | None, tuple[Measurement, ...], tuple[Finding, ...]]:
    """Run the command on copies of the series' files; return labels where it left some, measurements, findings.

    Raises RuntimeFailed when it ends badly, takes too long, or leaves what cannot be used; ChecksumMismatch when the
    program is not the one that the card names.
    """
    what = f"{card.id}: command {Path(command.argv[0]).name}"
    command.require_pinned()
    with folder_of_its_own("wetread-command-", what) as place:
        given, out = place / "input", place / "output"
        given.mkdir()
        out.mkdir()
        for number, file in enumerate(files):
            # Copies: a program that writes into its input must not reach the spool.
            shutil.copyfile(file, given / f"{number:05}.dcm")
        argv = [part.replace("{input}", str(given)).replace("{output}", str(out)) for part in command.argv]
        status = run_bounded(argv, folder=place, time_limit_s=command.time_limit_s, what=what, loud=loud)
        if status:
            raise ended(what, status)
        labels, answer = _labels(out, what, source), _findings(out, what)
    if labels is None and not (answer.measurements or answer.findings):
        raise RuntimeFailed(f"{what} left neither {' nor '.join(LABELS)} nor {FINDINGS} in its output directory")
    return (
        labels,
        tuple(Measurement(name=one.name, value=one.value, unit=one.unit) for one in answer.measurements),
        tuple(
            Finding(name=one.name, value=one.value, certainty_percent=one.certainty_percent) for one in answer.findings
        ),
    )


def words_of(command: Command) -> str:
    """Return what ran, for records and reports."""
    return f"command {Path(command.argv[0]).name} {command.identity[:19]}"


def _labels(out: Path, what: str, source: Volume) -> Volume | None:
    left = [out / name for name in LABELS if _is_own(out / name)]
    if not left:
        return None
    if len(left) > 1:
        raise RuntimeFailed(f"{what} left both {' and '.join(LABELS)}, and nobody knows which one counts")
    (file,) = left
    # Eight bytes a voxel and a header: whatever inflates to more is no label map of this source.
    content = _inflated(file, what, limit=8 * max(source.array.size, _CONFORMED) + (1 << 20))
    try:
        image = nibabel.Nifti1Image.from_stream(BytesIO(content))
        _require_what_it_says(image, len(content))
        values = np.asarray(image.dataobj)
        affine = _TO_LPS @ np.asarray(image.affine, np.float64)
    except (ImageFileError, HeaderDataError, WrapStructError, ValueError, OSError, OverflowError) as error:
        raise RuntimeFailed(f"{what}: {file.name} is no NIfTI-1 file ({type(error).__name__})") from error
    if values.ndim != 3 or not values.size or not np.isfinite(affine).all() or not abs(np.linalg.det(affine)) > 0:  # noqa: PLR2004
        raise RuntimeFailed(
            f"{what}: {file.name} has {values.ndim} axes, no voxels or no grid; a label map has three axes"
        )
    if not (int(image.header["sform_code"]) or int(image.header["qform_code"])):
        raise RuntimeFailed(f"{what}: {file.name} does not say where its voxels lie (sform_code and qform_code are 0)")
    if not (_are_whole(values) and values.min() >= 0 and values.max() <= 255):  # noqa: PLR2004
        raise RuntimeFailed(f"{what}: {file.name} holds values that are no label numbers from 0 to 255")
    found = Volume(array=values.astype(np.uint8), affine=affine)
    labels = resample(found, grid_of(source), interpolation="nearest", outside=0.0)
    if np.any(found.array) and not np.any(labels.array):
        raise RuntimeFailed(f"{what}: all that {file.name} labels lies beside the images; is its affine theirs?")
    return labels


def _are_whole(values: NDArray[Any]) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).all() and (values == np.floor(values)).all())


def _require_what_it_says(image: nibabel.Nifti1Image, length: int) -> None:
    """Raise ValueError where a header promises more than the file holds: memory for it would be taken first."""
    dtype = image.get_data_dtype()
    if math.prod(image.shape) * dtype.itemsize > length:
        raise ValueError("the file is shorter than its header says")
    if dtype.kind not in "iuf":
        raise ValueError("its values are no numbers")


def _inflated(file: Path, what: str, *, limit: int) -> bytes:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            content: bytes = stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise RuntimeFailed(f"{what}: {file.name} cannot be read ({type(error).__name__})") from error
    if len(content) > limit:
        raise RuntimeFailed(f"{what}: {file.name} is larger than a label map of its source can be")
    return content


def _findings(out: Path, what: str) -> Answer:
    file = out / FINDINGS
    if not _is_own(file):
        return Answer()
    if file.stat().st_size > _MOST_JSON:
        raise RuntimeFailed(f"{what}: {FINDINGS} is larger than {_MOST_JSON} bytes")
    try:
        return Answer.model_validate(json.loads(file.read_bytes()))
    except ValidationError as error:
        keys = "; ".join(".".join(map(str, one["loc"])) + f": {one['type']}" for one in error.errors()[:5])
        # Not the values: they come from images, and may name a patient.
        raise RuntimeFailed(f"{what}: {FINDINGS} is not as documented: {keys}") from None
    except (ValueError, RecursionError) as error:
        raise RuntimeFailed(f"{what}: {FINDINGS} is no JSON ({type(error).__name__})") from None


def _is_own(file: Path) -> bool:
    """Say whether a plain file lies there; a link could lead anywhere."""
    return file.is_file() and not file.is_symlink() and file.lstat().st_nlink == 1
