"""What a site does not want to be told is taken out of a reading here, before anything is made of it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from models.card_parts import Concept
from models.counting import most, number_of
from models.findings import Count, Detection, Finding, Measurement, Reading
from models.instances import CERTAINTY, DIAMETER, MILLIMETRE
from worker.settings import ReportSettings

#: Codes whose number is a certainty or probability in percent.
_PROBABILITY = Concept(value="111047", scheme="DCM", meaning="Probability of cancer")
_CERTAINTIES = {(CERTAINTY.value, CERTAINTY.scheme), (_PROBABILITY.value, _PROBABILITY.scheme)}


def for_site(reading: Reading, report: ReportSettings) -> Reading:
    """Return the reading without what lies below the site's thresholds or is not among its measurements.

    Detections keep their numbers, so that text, picture and SR still mean the same thing. A structure's first
    measurement, its size, always stays. What is counted is what is told: things that are taken out do not count, and
    where all of them are, there is no number, since none and 0 are not the same.
    """
    detections = tuple(one for one in reading.detections if _certain_enough(one, report) and _large_enough(one, report))
    instances = reading.instances
    if instances is not None and len(detections) < len(reading.detections):
        instances = np.where(np.isin(instances, [detection.number for detection in detections]), instances, 0)
        instances = instances.astype(np.uint16)
    return replace(
        reading,
        instances=instances,
        detections=tuple(replace(one, measurements=_wanted(one.measurements, report)) for one in detections),
        structures=tuple(replace(one, measurements=_wanted(one.measurements, report)) for one in reading.structures),
        counts=tuple(_recounted(reading.counts, reading.detections, detections, report)),
        measurements=tuple(one for one in reading.measurements if _is_wanted(one, report)),
        findings=tuple(finding for finding in reading.findings if _finding_certain_enough(finding, report)),
    )


def certainty_of(detection: Detection) -> float | None:
    """Return a detection's certainty or probability in percent, None where it has none."""
    return next((m.value for m in detection.measurements if (m.name.value, m.name.scheme) in _CERTAINTIES), None)


def _recounted(
    counts: Iterable[Count], before: Iterable[Detection], after: Iterable[Detection], report: ReportSettings
) -> Iterator[Count]:
    before, after = list(before), list(after)
    for count in counts:
        found, told = ([one for one in things if one.label.number == count.label.number] for things in (before, after))
        if _is_wanted(count.measurement, report) and (told or not found):
            # Fewer than there are: the model counted them frame by frame (`models.counting`).
            by_frame = count.measurement.value < len(found)
            yield Count(label=count.label, measurement=number_of(count.label, most(told, by_frame=by_frame)))


def _certain_enough(detection: Detection, report: ReportSettings) -> bool:
    certainty = certainty_of(detection)
    return certainty is None or certainty >= report.min_certainty_percent


def _large_enough(detection: Detection, report: ReportSettings) -> bool:
    """Say whether a detection is to be told for its size: one without a diameter in mm is."""
    diameters = [
        measurement.value
        for measurement in detection.measurements
        if (measurement.name.value, measurement.name.scheme) == (DIAMETER.value, DIAMETER.scheme)
        and measurement.unit.value == MILLIMETRE.value
    ]
    return not diameters or max(diameters) >= report.min_diameter_mm


def _finding_certain_enough(finding: Finding, report: ReportSettings) -> bool:
    return finding.certainty_percent is None or finding.certainty_percent >= report.min_certainty_percent


def _wanted(measurements: tuple[Measurement, ...], report: ReportSettings) -> tuple[Measurement, ...]:
    return tuple(one for place, one in enumerate(measurements) if place == 0 or _is_wanted(one, report))


def _is_wanted(measurement: Measurement, report: ReportSettings) -> bool:
    names = {wanted.casefold() for wanted in report.measurements}
    return not names or bool({measurement.name.value.casefold(), measurement.name.meaning.casefold()} & names)
