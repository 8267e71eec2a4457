"""Takes an earlier read's numbers back out of its reports, which may come from an archive and are believed nothing.

A report counts only if it is ours, of this very model and of this very patient.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, Comprehensive3DSRStorage, EnhancedSRStorage

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from models.card.card_parts import Concept
from models.card.manifest import Card
from models.findings import NO_UNITS, Measurement
from worker.case.prior import NOT_SIZES, Code, EarlierRead, Method, Observed
from worker.gate.bundle import MEASUREMENT_GROUP, children, content_items, name_of
from worker.instances.instance_hierarchy import listed_references
from worker.instances.instance_reference import InstanceReference
from worker.jobs.study_moment import studied_at, study_day
from worker.objects.measurement_groups import INCOMPLETE
from worker.objects.object_encoding import MANUFACTURER
from worker.priors.earlier_images import acquired_then, depicted_then, sampling_then
from worker.provenance import derived_uid

#: Kinds of object that hold numbers.
KINDS = ("SR", "REGION-SR", "ECG-SR")

_CLASSES = (Comprehensive3DSRStorage, EnhancedSRStorage)
_PROCESSING_EQUIPMENT = "109102"
_VERSION = re.compile(r"[ -~]{1,16}")
_PART = re.compile(r"\d+|\D+")
#: Date and time of a read, and the parts of the version that made it.
_Moment = tuple[str, str, tuple[tuple[int, str], ...]]
#: No number of a patient is larger; what is, or is none, is left out.
_ABSURD = 1e12

_TRACKING_UID = ("112040", "DCM")
_FINDING = ("121071", "DCM")
_FINDING_SITE = ("363698007", "SCT")
_LATERALITY = ("272741003", "SCT")
_INCOMPLETE = (INCOMPLETE.value, INCOMPLETE.scheme_designator)
_PARAMETERS = ("111002", "DCM")
_LEAD_GROUP = ("122159", "DCM")
#: Measurement Method (TID 300) and Derivation (TID 3714): how, where the name does not say it.
_METHODS = (("370129005", "SCT"), ("121401", "DCM"))
_SIDES: dict[Code, str] = {("7771000", "SCT"): "left", ("24028007", "SCT"): "right"}


def earlier_read(
    reports: Iterable[bytes], card: Card, is_patient: Callable[[Dataset], bool], *, study_instance_uid: str
) -> EarlierRead | None:
    """Return what one earlier read of this model found, None where these files do not say it.

    Args:
        reports: Files of one study, foreign ones among them; of several reads the latest counts.
        card: Of the model that reads today, in this or another version.
        is_patient: Says of a report whether it is of today's patient.
        study_instance_uid: Whose reports were asked for.
    """
    found: dict[str, tuple[Dataset, str]] = {}
    for data in reports:
        try:
            report = dcmread(BytesIO(data))
            version = _version_of(report, card)
            if version and _is_ours(report, study_instance_uid) and is_patient(report):
                found[str(report.SOPInstanceUID)] = report, version
        except PARSE_ERRORS:
            continue  # its words may quote a patient; it is no report of ours, or no longer
    try:
        chosen, version = _standing(found)
        return _taken(chosen, version) if chosen else None
    except PARSE_ERRORS:
        return None


def _standing(found: Mapping[str, tuple[Dataset, str]]) -> tuple[list[Dataset], str]:
    """Return the reports of the latest read that no other takes the place of, and its version.

    None where there is no such read, or where nobody can tell two of one moment apart: a job that is read again says
    the same time.
    """
    named = {uid for report, _ in found.values() for uid in _predecessors_of(report)}
    reads: dict[_Moment, list[tuple[Dataset, str]]] = defaultdict(list)
    for report, version in found.values():
        reads[str(report.ContentDate), str(report.ContentTime), _in_numbers(version)].append((report, version))
    standing = {moment: [one for one in read if one[0].SOPInstanceUID not in named] for moment, read in reads.items()}
    moment = max((moment for moment, read in standing.items() if read), default=None)
    if moment is None:
        return [], ""
    kept = standing[moment]
    if len(kept) < len(reads[moment]):
        # A report that the newer read has none of its kind for is named by none, and is withdrawn all the same.
        kept = [one for one in kept if _predecessors_of(one[0])]
    kinds = {str(report.get("SeriesNumber")) for report, _ in kept}
    return ([report for report, _ in kept], kept[0][1]) if kept and len(kinds) == len(kept) else ([], "")


def _predecessors_of(report: Dataset) -> list[str]:
    """Return the documents whose place a report takes (PS3.3 C.17.2)."""
    return [reference.sop_instance_uid for reference in listed_references(report, "PredecessorDocumentsSequence")]


def _in_numbers(version: str) -> tuple[tuple[int, str], ...]:
    """Return what a version is ordered by: 1.9 comes before 1.10."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in _PART.findall(version))


def _is_ours(report: Dataset, study_instance_uid: str) -> bool:
    uids = [report.StudyInstanceUID, report.SeriesInstanceUID, report.SOPInstanceUID]
    return (
        report.get("Manufacturer") == MANUFACTURER
        and report.SOPClassUID in _CLASSES
        and report.get("CompletionFlag") == "COMPLETE"
        and str(report.StudyInstanceUID) == study_instance_uid
        and all(UID(uid).is_valid for uid in uids)
        and study_day(studied_at(report)) is not None
    )


def _version_of(report: Dataset, card: Card) -> str:
    """Return the version of this model that made the report; empty where another model did.

    The Device UID derives from a model's id and version, so that it proves both; a card may set one by hand.
    """
    for item in report.get("ContributingEquipmentSequence", ()):
        purposes = {code.get("CodeValue") for code in item.get("PurposeOfReferenceCodeSequence", ())}
        version = str(item.get("SoftwareVersions") or "")
        if _PROCESSING_EQUIPMENT in purposes and _VERSION.fullmatch(version):
            proofs = (derived_uid("device", card.id, version), card.device_uid)
            if str(item.get("DeviceUID") or "?") in proofs:
                return version
    return ""


def _taken(reports: Sequence[Dataset], version: str) -> EarlierRead | None:
    day = study_day(studied_at(reports[0]))
    if day is None:
        return None
    things: dict[str, Observed] = {}
    whole: list[Measurement] = []
    for report in reports:
        for item in content_items(report):
            if name_of(item) == _LEAD_GROUP or (name_of(item) == MEASUREMENT_GROUP and not children(item, *_FINDING)):
                whole += _measurements(item)
            elif name_of(item) == MEASUREMENT_GROUP:
                tracked = str(children(item, *_TRACKING_UID)[0].UID)
                # One thing may stand in two reports, by its region and by its segment.
                things[tracked] = _merged(things.get(tracked), _observed(item))
    return EarlierRead(
        studied_on=day,
        studied_at=studied_at(reports[0]),
        method=Method(
            model_version=version,
            serial_number=str(reports[0].get("DeviceSerialNumber") or ""),
            thresholds=_thresholds(reports),
        ),
        things=tuple(thing for thing in things.values() if _has_size(thing)),
        counts=tuple(thing for thing in things.values() if not _has_size(thing) and _has_number(thing)),
        whole=tuple(whole),
        depicted=tuple(dict.fromkeys(depicted_then(reports))),
        sampling=sampling_then(reports),
        acquired=acquired_then(reports),
        references=tuple(
            InstanceReference(
                study_instance_uid=str(report.StudyInstanceUID),
                series_instance_uid=str(report.SeriesInstanceUID),
                sop_class_uid=str(report.SOPClassUID),
                sop_instance_uid=str(report.SOPInstanceUID),
            )
            for report in sorted(reports, key=lambda report: str(report.SOPInstanceUID))
        ),
    )


def _thresholds(reports: Iterable[Dataset]) -> tuple[str, ...]:
    """Return the parameters of the algorithm (TID 4019), the same in every group."""
    found = (
        str(item.TextValue) for report in reports for item in content_items(report) if name_of(item) == _PARAMETERS
    )
    return tuple(dict.fromkeys(found))


def _has_size(thing: Observed) -> bool:
    """Say whether a group is of a thing: one of an answer has nothing but its certainty, one of a count its number."""
    return any(m.unit.value not in (*NOT_SIZES, NO_UNITS.value) for m in thing.measurements)


def _has_number(thing: Observed) -> bool:
    return any(m.unit.value == NO_UNITS.value for m in thing.measurements)


def _observed(group: Dataset) -> Observed:
    concept = _code(children(group, *_FINDING)[0])
    sites = children(group, *_FINDING_SITE)
    sides = [side for item in (*sites, group) for side in children(item, *_LATERALITY)]
    site = _code(sites[0]) if sites else None
    return Observed(
        concept=concept,
        # A structure is its own site.
        site=None if site == concept else site,
        side=_SIDES.get(_code(sides[0]), "?") if sides else "",
        measurements=tuple(_measurements(group)),
        cut=bool(children(group, *_INCOMPLETE)),
    )


def _merged(one: Observed | None, two: Observed) -> Observed:
    if one is None:
        return two
    names = {(m.name.value, m.name.scheme, m.method) for m in one.measurements}
    more = tuple(m for m in two.measurements if (m.name.value, m.name.scheme, m.method) not in names)
    return replace(one, measurements=(*one.measurements, *more), cut=one.cut or two.cut)


def _measurements(group: Dataset) -> Iterator[Measurement]:
    for item in group.get("ContentSequence", ()):
        if item.ValueType != "NUM" or not item.get("MeasuredValueSequence"):
            continue
        measured = item.MeasuredValueSequence[0]
        value = float(measured.NumericValue)
        if abs(value) < _ABSURD:
            methods = [child for name in _METHODS for child in children(item, *name)]
            yield Measurement(
                name=_concept(item.ConceptNameCodeSequence[0]),
                value=value,
                unit=_concept(measured.MeasurementUnitsCodeSequence[0]),
                method=_concept(methods[0].ConceptCodeSequence[0]) if methods else None,
            )


def _code(item: Dataset) -> Code:
    code = item.ConceptCodeSequence[0]
    return str(code.CodeValue), str(code.CodingSchemeDesignator)


def _concept(code: Dataset) -> Concept:
    # Checked by the model of a concept: a wrong one is a ValueError, and the report then none of ours.
    return Concept(
        value=str(code.CodeValue), scheme=str(code.CodingSchemeDesignator), meaning=str(code.CodeMeaning)[:64]
    )
