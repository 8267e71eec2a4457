"""From a case to the objects that are kept and sent: one bundle a job."""

from collections.abc import Callable, Collection, Mapping

from pydicom.dataset import Dataset

from models.volume import Waveform
from worker.case.case import Case
from worker.object_kinds import DEFAULT_KINDS, Kind
from worker.objects.ecg_report import build_ecg_report
from worker.objects.key_objects import build_key_objects
from worker.objects.labelmap import build_labelmap
from worker.objects.object_encoding import ResultObject, encoded
from worker.objects.parametric_map import build_parametric_map
from worker.objects.region_report import build_region_report
from worker.objects.rejection_note import build_rejection_note
from worker.objects.report import build_report, has_report
from worker.objects.rt_structure_set import build_rt_structure_set
from worker.objects.segmentation import build_segmentation
from worker.objects.segments import segmented
from worker.objects.text_report import build_not_read, build_text_report
from worker.pictures.presentation_state import build_presentation_state
from worker.pictures.summary_image import build_summary_image

_Made = Mapping[Kind, Dataset]


def _segmentation(case: Case, made: _Made) -> Dataset | None:
    del made
    return build_segmentation(case) if segmented(case.reading) else None


def _labelmap(case: Case, made: _Made) -> Dataset | None:
    return build_labelmap(case) if "SEG" in made else None


def _report(case: Case, made: _Made) -> Dataset | None:
    return build_report(case, made.get("SEG")) if has_report(case) else None


def _region_report(case: Case, made: _Made) -> Dataset | None:
    del made
    return build_region_report(case) if case.reading.detections else None


def _ecg_report(case: Case, made: _Made) -> Dataset | None:
    del made
    told = case.reading.measurements or case.reading.findings
    return build_ecg_report(case) if told and isinstance(case.series.source, Waveform) else None


def _rt_structure_set(case: Case, made: _Made) -> Dataset | None:
    del made
    return build_rt_structure_set(case)


def _parametric_map(case: Case, made: _Made) -> Dataset | None:
    del made
    return build_parametric_map(case)


def _text_report(case: Case, made: _Made) -> Dataset | None:
    del made
    return build_text_report(case)


def _summary_image(case: Case, made: _Made) -> Dataset | None:
    del made
    return build_summary_image(case)


def _presentation_state(case: Case, made: _Made) -> Dataset | None:
    del made
    return build_presentation_state(case)


def _pdf_document(case: Case, made: _Made) -> Dataset | None:
    from worker.pictures.pdf_document import build_pdf_document  # noqa: PLC0415  # its library is large, and few sites want a PDF

    del made
    return build_pdf_document(case)


def _key_objects(case: Case, made: _Made) -> Dataset | None:
    return build_key_objects(case, made)


def _rejection_note(case: Case, made: _Made) -> Dataset | None:
    del made
    return build_rejection_note(case)


#: What makes each kind, in the order of `object_kinds.KINDS`; None where a case gives no such object. What was made
#: before is at hand, since a later object may refer to it.
_BUILDERS: Mapping[Kind, Callable[[Case, _Made], Dataset | None]] = {
    "SEG": _segmentation,
    "LABELMAP": _labelmap,
    "SR": _report,
    "REGION-SR": _region_report,
    "ECG-SR": _ecg_report,
    "TEXT-SR": _text_report,
    "SC": _summary_image,
    "GSPS": _presentation_state,
    "PDF": _pdf_document,
    "RTSTRUCT": _rt_structure_set,
    "KO": _key_objects,
    "PMAP": _parametric_map,
    "REJECTION": _rejection_note,
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
    objects = []
    for kind, builder in _BUILDERS.items():
        if (kind in kinds or kind in _REFERRED_TO) and (dataset := builder(case, made)) is not None:
            objects.append(encoded(dataset, kind))
            made[kind] = _header(dataset)
    return tuple(objects)


def _header(dataset: Dataset) -> Dataset:
    """Keep what others refer to; the frames of a hundred structures are hundreds of megabytes."""
    for keyword in ("PerFrameFunctionalGroupsSequence", "PixelData", "FloatPixelData", "ROIContourSequence"):
        if keyword in dataset:
            delattr(dataset, keyword)
    return dataset


def not_read(case: Case, reason: str) -> ResultObject:
    """Return the text SR that says why a series that was expected to be read was not; `reason` names no patient.

    Its UIDs differ from those of a reading of the same input.
    """
    report = build_not_read(case, reason)
    report.SOPInstanceUID = case.provenance.uid("NOT-READ", "instance", reason)
    report.SeriesInstanceUID = case.provenance.uid("NOT-READ", "series", reason)
    return encoded(report, "TEXT-SR")
