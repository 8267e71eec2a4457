"""What a site does not want to be told is taken out of a reading here, before anything is made of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from models.card.card_parts import DECIDING_DIGITS, Concept
from models.findings import Count, Detection, Finding, HeatMap, Measurement, Reading
from models.interpreting.counting import number_of, number_shown
from models.interpreting.instances import CERTAINTY, DIAMETER, MILLIMETRE
from models.volume import Source
from worker.settings import ReportSettings

#: Codes whose number is a certainty or probability in percent.
_PROBABILITY = Concept(value="111047", scheme="DCM", meaning="Probability of cancer")
_CERTAINTIES = {(CERTAINTY.value, CERTAINTY.scheme), (_PROBABILITY.value, _PROBABILITY.scheme)}


def for_site(reading: Reading, report: ReportSettings, source: Source | None) -> Reading:
    """Return the reading without what lies below the site's thresholds or is not among its measurements.

    Detections keep their numbers, so that text, picture and SR still mean the same thing. A structure's first
    measurement, its size, always stays, and so do numbers that are all of a read. What is counted is what is told:
    things that are taken out do not count, and where all of them are, there is no number, since none and 0 are not the
    same. A heat map goes with its finding.

    Args:
        reading: What the model says.
        report: The site's wishes.
        source: What was read, which decides how things are counted; None: a volume.
    """
    detections = tuple(
        one for one in reading.detections if _certain_enough(certainty_of(one), report) and _large_enough(one, report)
    )
    instances = reading.instances
    if instances is not None and len(detections) < len(reading.detections):
        instances = np.where(np.isin(instances, [detection.number for detection in detections]), instances, 0)
        instances = instances.astype(np.uint16)
    findings = tuple(finding for finding in reading.findings if _certain_enough(finding.certainty_percent, report))
    return replace(
        reading,
        instances=instances,
        detections=tuple(replace(one, measurements=_wanted(one.measurements, report)) for one in detections),
        structures=tuple(replace(one, measurements=_wanted(one.measurements, report)) for one in reading.structures),
        counts=tuple(_recounted(reading, detections, report, source)),
        measurements=reading.measurements
        if _is_numbers_alone(reading)
        else tuple(one for one in reading.measurements if _is_wanted(one, report)),
        findings=findings,
        heat_maps=tuple(_of_what_is_told(reading.heat_maps, reading.findings, findings)),
    )


def _is_numbers_alone(reading: Reading) -> bool:
    """Say whether a read is nothing but numbers of the whole input: without them nothing would seem to be found."""
    return not (reading.findings or reading.structures or reading.detections or reading.missing)


def certainty_of(detection: Detection) -> float | None:
    """Return a detection's certainty or probability in percent, None where it has none."""
    return next((m.value for m in detection.measurements if (m.name.value, m.name.scheme) in _CERTAINTIES), None)


def _recounted(
    reading: Reading, kept: Sequence[Detection], report: ReportSettings, source: Source | None
) -> Iterator[Count]:
    for count in reading.counts:
        found, told = (
            [one for one in things if one.label.number == count.label.number] for things in (reading.detections, kept)
        )
        if _is_wanted(count.measurement, report) and (told or not found):
            yield Count(label=count.label, measurement=number_of(count.label, number_shown(told, source)))


def _certain_enough(percent: float | None, report: ReportSettings) -> bool:
    return percent is None or round(percent, DECIDING_DIGITS) >= report.min_certainty_percent


def _large_enough(detection: Detection, report: ReportSettings) -> bool:
    """Say whether a detection is to be told for its size: one without a diameter in mm is."""
    diameters = [
        measurement.value
        for measurement in detection.measurements
        if (measurement.name.value, measurement.name.scheme) == (DIAMETER.value, DIAMETER.scheme)
        and measurement.unit.value == MILLIMETRE.value
    ]
    return not diameters or round(max(diameters), DECIDING_DIGITS) >= report.min_diameter_mm


def _of_what_is_told(
    heat_maps: Iterable[HeatMap], before: Iterable[Finding], after: Iterable[Finding]
) -> Iterator[HeatMap]:
    """Yield the heat maps of findings that stay, and those of no finding at all.

    A heat map is named by what is present, or by a question's answer.
    """
    found, told = ({(one.value, one.scheme) for f in each for one in (f.name, f.value)} for each in (before, after))
    for heat_map in heat_maps:
        name = heat_map.name.value, heat_map.name.scheme
        if name in told or name not in found:
            yield heat_map


def _wanted(measurements: tuple[Measurement, ...], report: ReportSettings) -> tuple[Measurement, ...]:
    return tuple(one for place, one in enumerate(measurements) if place == 0 or _is_wanted(one, report))


def _is_wanted(measurement: Measurement, report: ReportSettings) -> bool:
    names = {wanted.casefold() for wanted in report.measurements}
    return not names or bool({measurement.name.value.casefold(), measurement.name.meaning.casefold()} & names)
