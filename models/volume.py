"""What a model reads: a volume, images, or a waveform, without any DICOM."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """A regular grid of values in patient space.

    Attributes:
        array: Values after rescale, shape ``(slices, rows, columns)``, any real dtype.
        affine: ``(4, 4)`` float64; maps ``(slice, row, column, 1)`` to patient coordinates in mm, LPS
            (x to the patient's left, y to posterior, z to the head), the centre of a voxel (PS3.3 C.7.6.2.1.1).
        others: Further series of the same patient space, each on its own grid, in the order of the card's channels;
            what is found lies on this volume's grid.
        unit: Of the values, as the images state it, in UCUM; empty where they state none.
        padding: Which voxels are no image but stand beside it, the bits of a row packed (`numpy.packbits`); None: none.
        ends_at_padding: Whether what is shown ends there, as at a scanner's circle. Where padding is stored about as
            what is dark, such as 0 around a head, nobody can tell.
    """

    array: NDArray[np.generic]
    affine: NDArray[np.float64]
    others: tuple["Volume", ...] = ()
    unit: str = ""
    padding: NDArray[np.uint8] | None = None
    ends_at_padding: bool = False

    def imaged(self, box: tuple[slice, slice, slice]) -> NDArray[np.bool_]:
        """Return which voxels in a box of indices are image, and no padding."""
        slices, rows, columns = box
        if self.padding is None:
            return np.ones(self.array[box].shape, np.bool_)
        bits = np.unpackbits(self.padding[slices, rows], axis=-1, count=self.array.shape[2])
        return np.asarray(bits[..., columns] == 0)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance in mm between neighbours along slices, rows and columns."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return abs(float(np.linalg.det(self.affine[:3, :3]))) / 1000.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Waveform:
    """Simultaneously sampled channels of one recording.

    Attributes:
        array: Values in millivolt, shape ``(channels, samples)``, float32.
        channels: Name of each channel (for an ECG the leads: I, II, III, aVR, aVL, aVF, V1 to V6).
        sampling_frequency_hz: Samples a second.
    """

    array: NDArray[np.float32]
    channels: tuple[str, ...]
    sampling_frequency_hz: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """Frames without a place in patient space: X-ray, mammography, ultrasound, endoscopy.

    Attributes:
        array: Shape ``(frames, rows, columns)``, any real dtype; after rescale, high values bright (MONOCHROME1 is
            inverted, colour is luminance).
        spacing_mm: Distance in mm between the rows and between the columns, None where the source does not say.
        pixel_aspects: How many widths of a pixel its height is, of each frame, or once for all; left out: as
            `spacing_mm` says, else 1.
        sides: Of the body, what each frame shows, such as "left"; left out where that is not known of each. Frames of
            one side show the same things again, as those of a clip and the views of a chest do.
        mirrored: Whether the rows of a frame run to the patient's right, where people show the left side of the body on
            the right: what a network has learnt to call left is not on the left then.
    """

    array: NDArray[np.generic]
    spacing_mm: tuple[float, float] | None
    pixel_aspects: tuple[float, ...] = ()
    sides: tuple[str, ...] = ()
    mirrored: bool = False

    def side(self, index: int) -> str:
        """Return which side of the body this frame shows; an empty one where that is not known of each."""
        return self.sides[index] if self.sides else ""

    def pixel_aspect(self, index: int) -> float:
        """Return how many widths of a pixel its height is on this frame."""
        if self.pixel_aspects:
            return self.pixel_aspects[index if len(self.pixel_aspects) > 1 else 0]
        return self.spacing_mm[0] / self.spacing_mm[1] if self.spacing_mm else 1.0


Source = Volume | Image | Waveform
