"""The records of a comparison: what an earlier read found, and what has changed since."""

import enum
from dataclasses import dataclass, field
from datetime import date

from models.card.card_parts import Concept, Label
from models.findings import Measurement
from worker.instances.acquired import Acquired
from worker.instances.depicted import Depicted
from worker.instances.instance_reference import InstanceReference
from worker.instances.sampling import Sampling

#: Value and scheme of a coded concept; its meaning is for people.
Code = tuple[str, str]

#: Pixels may be larger in another image.
PIXELS = "{pixels}"
#: A share of something that only its name tells; of a thing mostly how certain it is.
SHARE = "%"
#: Units of numbers of things that are not compared as sizes.
NOT_SIZES = (SHARE, PIXELS)

#: Numbers that are none either: means and deviations of values, whose scale may be another in each image (MR), or has
#: no zero of which a share could be told (Hounsfield units); certainties.
NO_SIZES_BY_NAME = (("373098007", "SCT"), ("386136009", "SCT"), ("111012", "DCM"), ("111047", "DCM"))

#: Less than this, in any unit, is nothing: no share of it can be told.
NOTHING = 1e-6


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One thing with numbers, as a report keeps it.

    Attributes:
        concept: What it is.
        site: Where, of a detection; None where the report does not say, or where it is the thing itself.
        side: On which side; empty where it has none.
        measurements: Its numbers.
        cut: Whether it reached the edge of the images, or of what the network saw of them.
    """

    concept: Code
    site: Code | None
    side: str
    measurements: tuple[Measurement, ...]
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Method:
    """How a study was read, as far as its numbers depend on it.

    Attributes:
        model_version: The version of the model.
        serial_number: Of its card and networks (`worker.provenance.serial_number`).
        thresholds: The site's (`worker.settings.ReportSettings.thresholds`).
    """

    model_version: str
    serial_number: str
    thresholds: tuple[str, ...] = ()


class Obstacle(enum.Enum):
    """Why numbers of two reads are not compared, or not all: a difference in method would be taken for a change."""

    VERSION = "version"  #: another version of the model read then
    MODEL = "model"  #: it calls itself the same version, but its card or its networks are others
    THRESHOLDS = "thresholds"  #: the site left out other things then, so what is counted differs; sizes do not


@dataclass(frozen=True, kw_only=True)
class EarlierRead:
    """What an earlier read found, taken back out of its reports.

    Attributes:
        studied_on: Date of the earlier study.
        studied_at: Date and time of it, for `worker.jobs.study_moment`.
        method: How it was read.
        things: Structures and detections with their numbers.
        counts: How many things there were of a kind: the same, with that number alone.
        whole: Numbers of the whole input.
        depicted: What the images show that were read, each once; empty where the reports do not say it.
        sampling: How far apart slices and pixels lay; None where the reports do not say it, as of images without a
            place in space and of earlier releases.
        acquired: How the images were taken.
        references: The reports, all of one study.
    """

    studied_on: date
    studied_at: str
    method: Method
    things: tuple[Observed, ...]
    counts: tuple[Observed, ...] = ()
    whole: tuple[Measurement, ...]
    depicted: tuple[Depicted, ...] = ()
    sampling: Sampling | None = None
    acquired: Acquired = field(default_factory=Acquired)
    references: tuple[InstanceReference, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One number then and now, in today's unit.

    Attributes:
        label: What it is of, as today's read calls it; None for the whole input.
        number: Of a detection, as today's read counts it.
        name: What was measured.
        unit: UCUM unit of both numbers.
        method: As in the measurement.
        earlier: Then.
        now: Today.
        doubling_days: Days in which the volume doubles at this pace; None where that means nothing.
    """

    label: Label | None
    number: int | None
    name: Concept
    unit: Concept
    method: Concept | None
    earlier: float
    now: float
    doubling_days: float | None = None

    @property
    def difference(self) -> float:
        """How much more it is today."""
        return self.now - self.earlier

    @property
    def percent(self) -> float | None:
        """The difference in percent of the earlier number; None where a share of that means nothing.

        Of nothing, of what may be below 0 (a score), and of what is a share itself.
        """
        if self.unit.value == SHARE or self.earlier < NOTHING or self.now < 0:
            return None
        return 100.0 * self.difference / self.earlier


@dataclass(frozen=True, kw_only=True)
class Gone:
    """What was found then, and is looked for and not found today.

    Attributes:
        label: What, as today's card calls it.
        count: How many there were.
        largest: The size of the largest of them.
        cut: Whether the edge of the images cut one of them, so that it was at least so large.
    """

    label: Label
    count: int
    largest: Measurement
    cut: bool


@dataclass(frozen=True, kw_only=True)
class Prior:
    """The comparison that a case carries.

    Attributes:
        studied_on: Date of the earlier study.
        days: From that study to this one.
        model_version: The version that read it.
        changes: Structures and detections first, then counts, then the whole input.
        differing: The size of what is the only one of its kind then and now, and differs so much that it may be another
            one.
        unpaired: What was found several times then or now, so that no pair is certain.
        cut: What reaches the edge of the images, or of the network's view, then or now: its size may be another.
        gone: What was found then and is not today.
        sampled: How far apart slices and pixels lay then, and today, where that differs so much that sizes may differ
            for it alone.
        contrasted: Whether the images of today name a contrast agent and those of then do not (True), or the reverse;
            None: no such difference is known.
        thickness: How thick slices were then, and are today, where that differs and they do not lie otherwise apart.
        kernels: With which kernel images were reconstructed then, and are today, where that differs.
        reach: How far all slices reached together then, and today, in mm, where that differs by more than a quarter.
        references: The earlier reports.
        obstacle: Why numbers are not compared, or not all; where there is none there is at least one change, or one
            that differs, is cut or is gone.
    """

    studied_on: date
    days: int
    model_version: str
    changes: tuple[Change, ...]
    differing: tuple[Change, ...] = ()
    unpaired: tuple[Label, ...]
    cut: tuple[Label, ...] = ()
    gone: tuple[Gone, ...] = ()
    sampled: tuple[Sampling, Sampling] | None = None
    contrasted: bool | None = None
    thickness: tuple[float, float] | None = None
    kernels: tuple[str, str] | None = None
    reach: tuple[float, float] | None = None
    references: tuple[InstanceReference, ...]
    obstacle: Obstacle | None = None
