"""From a case to the objects that are kept and sent: one bundle a job."""

from collections.abc import Callable, Collection, Mapping

from pydicom.dataset import Dataset

from worker.case import Case
from worker.ecg_report import build_ecg_report
from worker.object_encoding import ResultObject, encoded
from worker.object_kinds import DEFAULT_KINDS, Kind
from worker.report import build_report
from worker.segmentation import build_segmentation
from worker.text_report import build_not_read, build_text_report

__all__ = ["ResultObject", "build", "not_read"]

_Made = Mapping[Kind, Dataset]


def _segmentation(case: Case, made: _Made) -> Dataset | None:
    del made
    return build_segmentation(case) if case.reading.structures else None


def _report(case: Case, made: _Made) -> Dataset | None:
    return build_report(case, made["SEG"]) if "SEG" in made else None


def _ecg_report(case: Case, made: _Made) -> Dataset | None:
    del made
    waveform = case.reading.labels is None and (case.reading.measurements or case.reading.findings)
    return build_ecg_report(case) if waveform else None


def _text_report(case: Case, made: _Made) -> Dataset | None:
    del made
    return build_text_report(case)


#: What makes each kind, in the order of `object_kinds.KINDS`; None where a case gives no such object. What was made
#: before is at hand, since a later object may refer to it.
_BUILDERS: Mapping[Kind, Callable[[Case, _Made], Dataset | None]] = {
    "SEG": _segmentation,
    "SR": _report,
    "ECG-SR": _ecg_report,
    "TEXT-SR": _text_report,
}
#: Made even where nobody asks for it, since others refer to it.
_REFERRED_TO: tuple[Kind, ...] = ("SEG",)


def build(case: Case, kinds: Collection[Kind] = DEFAULT_KINDS) -> tuple[ResultObject, ...]:
    """Return the results of a reading, in the order in which they should be sent; identical arguments, identical bytes.

    Every reading has a text SR: that nothing was found is a result too.

    Args:
        case: What was read and found.
        kinds: What some destination wants.

    Raises SourceRefused when the source lacks what a result needs.
    """
    made: dict[Kind, Dataset] = {}
    for kind, builder in _BUILDERS.items():
        if (kind in kinds or kind in _REFERRED_TO) and (dataset := builder(case, made)) is not None:
            made[kind] = dataset
    return tuple(encoded(dataset, kind) for kind, dataset in made.items())


def not_read(case: Case, reason: str) -> ResultObject:
    """Return the text SR that says why a series that was expected to be read was not; `reason` names no patient.

    Its UIDs differ from those of a reading of the same input.
    """
    report = build_not_read(case, reason)
    report.SOPInstanceUID = case.provenance.uid("NOT-READ", "instance", reason)
    report.SeriesInstanceUID = case.provenance.uid("NOT-READ", "series", reason)
    return encoded(report, "TEXT-SR")
