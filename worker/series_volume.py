"""From the files of a series to what a model reads: geometry from position and orientation, never from file order."""

from dataclasses import dataclass
from typing import Any

from models.volume import Source


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedSeries:
    """A series that was read.

    Attributes:
        source: The volume or waveform.
        datasets: What was read, pydicom datasets without their pixel data. For single-frame images one a slice, in the
            volume's slice order (``datasets[k]`` is ``volume.array[k]``); for an enhanced multi-frame image or a
            waveform exactly one.
        frame_numbers: For a multi-frame image the 1-based frame of each slice of the volume; else empty.
        inputs_digest: sha256 (hex) over the sorted pairs of SOP Instance UID and sha256 of the dataset's bytes.
        repairs: What was mended and by which rule, one sentence each; goes to the ledger and the text SR.
    """

    source: Source
    datasets: tuple[Any, ...]
    frame_numbers: tuple[int, ...]
    inputs_digest: str
    repairs: tuple[str, ...]
