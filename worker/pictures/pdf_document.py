"""Sentences, numbers and picture as an Encapsulated PDF (PS3.3 A.45.1), for archives that show documents best."""

from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from worker.case.case import Case
from worker.objects.object_encoding import coded_item, series_description, stamp
from worker.pictures.pdf_pages import pdf_of
from worker.pictures.shown_images import told_of_shown

_REPORT = ("18748-4", "LN", "Diagnostic Imaging Report")


def build_pdf_document(case: Case) -> Dataset:
    """Return the document of a reading; no patient's data is printed in it but what is burnt into its sources."""
    made = Dataset()
    stamp(made, case, kind="PDF", sop_class_uid=EncapsulatedPDFStorage)
    made.ConversionType = "WSD"
    made.AcquisitionDateTime = str(case.head.get("AcquisitionDateTime") or "")
    for keyword, value in told_of_shown(case).items():
        setattr(made, keyword, value)
    made.DocumentTitle = series_description(case.provenance, "PDF")
    made.ConceptNameCodeSequence = [coded_item(*_REPORT)]
    made.SourceInstanceSequence = [_reference(dataset) for dataset in case.series.datasets]
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    pdf = pdf_of(case)
    made.EncapsulatedDocumentLength = len(pdf)
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return made


def _reference(dataset: Any) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = dataset.SOPClassUID
    reference.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
    return reference
