"""What the output gate looks at: the objects as their receiver will read them, and the sources as they were read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import ParametricMapStorage, RTStructureSetStorage, SegmentationStorage

from models.card.manifest import Card
from models.findings import Reading
from worker.case.prior import Prior
from worker.errors import OutputRefused
from worker.instances.instance_reference import InstanceReference
from worker.instances.source_repairs import Identity, identity_of
from worker.objects.labelmap import LABEL_MAP_STORAGE
from worker.pictures.shown_images import TELLING, says_yes
from worker.series.image_frames import frames_of, has_place
from worker.series.slice_geometry import Plane

#: SOP Instance UID and, of a multi-frame image, the 1-based frame; else 0.
FrameKey = tuple[str, int]

MEASUREMENT_GROUP = ("125007", "DCM")


@dataclass(frozen=True, kw_only=True, eq=False)
class Sources:
    """The instances that a reading stands on.

    Attributes:
        identity: What results must say of patient and study.
        instances: (Study, Series, SOP Instance UID) to SOP Class UID.
        planes: Where each frame lies; empty for a waveform, and for images without a place in space.
        sizes: Rows, columns and frames of each image by its SOP Instance UID.
        slice_of: The volume's slice of each frame that was read; empty where the volume is not at hand.
        frame_of_reference_uid: (0020,0052), empty where there is none.
        exact: Whether these are exactly what was read; else what was read is among them.
        telling: Keyword of `worker.pictures.shown_images.TELLING` to the SOP Instance UIDs of the images that say YES
            to it.
        known: Whether they are at hand at all; without, only the identity is there, and it is an object's own.
    """

    identity: Identity
    instances: Mapping[tuple[str, str, str], str]
    planes: Mapping[FrameKey, Plane]
    sizes: Mapping[str, tuple[int, int, int]]
    slice_of: Mapping[FrameKey, int]
    frame_of_reference_uid: str
    exact: bool
    telling: Mapping[str, frozenset[str]] = field(default_factory=dict)
    known: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """The objects of one reading and what they are checked against.

    Attributes:
        objects: As parsed from their bytes, file meta included.
        sources: What they may refer to.
        card: Of the model; None where only files are at hand.
        reading: What the objects must say; None where only files are at hand.
        prior: The earlier read that they are compared with.
        superseded: Objects of the read that this one supersedes.
        partial: Whether other objects of the reading may be missing here.
        foreign: Whether somebody else's program made them, to whom the rules of this house mean nothing.
    """

    objects: tuple[Dataset, ...]
    sources: Sources
    card: Card | None
    reading: Reading | None
    prior: Prior | None = None
    superseded: tuple[InstanceReference, ...] = ()
    partial: bool = False
    foreign: bool = False

    @property
    def segmentations(self) -> tuple[Dataset, ...]:
        """The SEG objects."""
        return tuple(made for made in self.objects if made.get("SOPClassUID") == SegmentationStorage)

    @property
    def label_maps(self) -> tuple[Dataset, ...]:
        """The Label Map Segmentation objects."""
        return tuple(made for made in self.objects if made.get("SOPClassUID") == LABEL_MAP_STORAGE)

    @property
    def parametric_maps(self) -> tuple[Dataset, ...]:
        """The Parametric Map objects."""
        return tuple(made for made in self.objects if made.get("SOPClassUID") == ParametricMapStorage)

    @property
    def rt_structure_sets(self) -> tuple[Dataset, ...]:
        """The RT Structure Set objects."""
        return tuple(made for made in self.objects if made.get("SOPClassUID") == RTStructureSetStorage)

    @property
    def reports(self) -> tuple[Dataset, ...]:
        """The SR objects."""
        return tuple(made for made in self.objects if made.get("Modality") == "SR")

    @cached_property
    def items(self) -> tuple[tuple[Dataset, ...], ...]:
        """All content items of each report, in its order. Walked once: a report may hold thousands."""
        return tuple(tuple(content_items(report)) for report in self.reports)

    @cached_property
    def groups(self) -> tuple[tuple[Dataset, ...], ...]:
        """The measurement groups of each report (TID 1410, 1411, 1501)."""
        return tuple(tuple(item for item in items if name_of(item) == MEASUREMENT_GROUP) for items in self.items)


def sources_of(
    datasets: Sequence[Any], frame_numbers: Sequence[int] = (), *, exact: bool, others: Sequence[Any] = ()
) -> Sources:
    """Gather what results may refer to; with `exact`, `datasets` are in the order of the volume's slices.

    `others` were read as channels: evidence, and no result lies on them.
    """
    planes: dict[FrameKey, Plane] = {}
    sizes: dict[str, tuple[int, int, int]] = {}
    for dataset in datasets:
        if "Rows" in dataset:
            frames = int(dataset.get("NumberOfFrames") or 1)
            sizes[str(dataset.SOPInstanceUID)] = (int(dataset.Rows), int(dataset.Columns), frames)
        if has_place(dataset):
            asked = frames_of([dataset], numbers=frame_numbers or None)
            planes |= {(str(dataset.SOPInstanceUID), frame.number): frame.plane for frame in asked}
    uids = [str(dataset.SOPInstanceUID) for dataset in datasets]
    keys = [(uids[0], number) for number in frame_numbers] or [(uid, 0) for uid in uids]
    return Sources(
        identity=identity_of(datasets[0]),
        instances={
            (str(one.StudyInstanceUID), str(one.SeriesInstanceUID), str(one.SOPInstanceUID)): str(one.SOPClassUID)
            for one in (*datasets, *others)
        },
        planes=planes,
        sizes=sizes,
        slice_of={key: k for k, key in enumerate(keys)} if exact else {},
        frame_of_reference_uid=str(datasets[0].get("FrameOfReferenceUID") or ""),
        exact=exact,
        telling={
            keyword: frozenset(str(one.SOPInstanceUID) for one in datasets if says_yes(one, keyword))
            for keyword in TELLING
        },
    )


def without_sources(made: Dataset) -> Sources:
    """Return what is known of the sources where only results are at hand: whose they say they are."""
    return Sources(
        identity=identity_of(made),
        instances={},
        planes={},
        sizes={},
        slice_of={},
        frame_of_reference_uid="",
        exact=False,
        known=False,
    )


def parsed(data: bytes) -> Dataset:
    """Parse an object as its receiver would. Raises OutputRefused."""
    try:
        return dcmread(BytesIO(data))
    except (InvalidDicomError, EOFError, ValueError) as error:
        raise OutputRefused(f"a result is no DICOM file ({type(error).__name__}): nothing is sent") from error


def content_items(item: Dataset) -> Iterator[Dataset]:
    """Walk a content tree, the item itself first."""
    yield item
    for child in item.get("ContentSequence", ()):
        yield from content_items(child)


def name_of(item: Dataset) -> tuple[str, str]:
    """Return value and scheme of a content item's concept name, empty where it has none."""
    names = item.get("ConceptNameCodeSequence") or ()
    return (str(names[0].get("CodeValue", "")), str(names[0].CodingSchemeDesignator)) if names else ("", "")


def children(item: Dataset, value: str, scheme: str) -> list[Dataset]:
    """Return the children of an item that have this concept name."""
    return [child for child in item.get("ContentSequence", ()) if name_of(child) == (value, scheme)]
