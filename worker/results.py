"""From a reading to the objects that are kept and sent: one bundle a job."""

from models.findings import Reading
from worker.ecg_report import build_ecg_report
from worker.object_encoding import Kind, ResultObject, encoded
from worker.provenance import Provenance
from worker.report import build_report
from worker.segmentation import build_segmentation
from worker.series_volume import LoadedSeries
from worker.source_repairs import identity_of
from worker.text_report import build_not_read, build_text_report

__all__ = ["Kind", "ResultObject", "build", "not_read"]


def build(series: LoadedSeries, reading: Reading, provenance: Provenance) -> tuple[ResultObject, ...]:
    """Return the results of a reading, in the order in which they should be sent; identical arguments, identical bytes.

    A label map with at least one structure gives SEG and SR, a waveform its ECG report, and every reading a text SR:
    that nothing was found is a result too.

    Raises SourceRefused when the source lacks what a result needs.
    """
    identity = identity_of(series.datasets[0])
    objects = []
    if reading.labels is not None and reading.structures:
        segmentation = build_segmentation(series, reading, provenance, identity)
        objects.append(encoded(segmentation, "SEG"))
        objects.append(encoded(build_report(series, reading, provenance, identity, segmentation), "SR"))
    if reading.labels is None and (reading.measurements or reading.findings):
        objects.append(encoded(build_ecg_report(series, reading, provenance, identity), "ECG-SR"))
    objects.append(encoded(build_text_report(series, reading, provenance, identity), "TEXT-SR"))
    return tuple(objects)


def not_read(series: LoadedSeries, provenance: Provenance, reason: str) -> ResultObject:
    """Return the text SR that says why a series that was expected to be read was not; `reason` names no patient.

    Its UIDs differ from those of a reading of the same input. Raises SourceRefused as `build` does.
    """
    identity = identity_of(series.datasets[0])
    report = build_not_read(series, provenance, identity, reason)
    report.SOPInstanceUID = provenance.uid("NOT-READ", "instance", reason)
    report.SeriesInstanceUID = provenance.uid("NOT-READ", "series", reason)
    return encoded(report, "TEXT-SR")
