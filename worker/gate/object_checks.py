"""What every object must be: readable, whose it says, made by whom it says, in a series of its own."""

from collections.abc import Iterator

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless, RTStructureSetStorage

from worker.gate.bundle import Bundle, name_of
from worker.instances.source_repairs import COPIED
from worker.objects.labelmap import LABEL_MAP_STORAGE
from worker.objects.object_encoding import FIRST_SERIES_NUMBER, MANUFACTURER
from worker.provenance import device_uid

_DEVICE_OBSERVER_UID = ("121012", "DCM")
_PROCESSING_EQUIPMENT = "109102"
_LONGEST_LO = 64
#: What objects of any maker must have in common with their source, lest they are filed to somebody else.
_WHOSE = ("PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "AccessionNumber")
#: Kinds of object in another transfer syntax than Explicit VR Little Endian.
_OTHERWISE_ENCODED = {LABEL_MAP_STORAGE: RLELossless, RTStructureSetStorage: ImplicitVRLittleEndian}


def file_meta(bundle: Bundle) -> Iterator[str]:
    """Every file has its meta information, equal to the dataset (PS3.10 7.1)."""
    for made in bundle.objects:
        meta = getattr(made, "file_meta", None) or Dataset()
        if meta.get("MediaStorageSOPInstanceUID") != made.get("SOPInstanceUID"):
            yield "the file meta names another instance"
        if meta.get("MediaStorageSOPClassUID") != made.get("SOPClassUID"):
            yield "the file meta names another SOP class"


def transfer_syntax(bundle: Bundle) -> Iterator[str]:
    """Every object is in Explicit VR Little Endian, which every receiver takes; a label map is compressed."""
    for made in bundle.objects:
        meta = getattr(made, "file_meta", None) or Dataset()
        if meta.get("TransferSyntaxUID") != _OTHERWISE_ENCODED.get(made.get("SOPClassUID"), ExplicitVRLittleEndian):
            yield f"the transfer syntax is {meta.get('TransferSyntaxUID')}"


def valid_uids(bundle: Bundle) -> Iterator[str]:
    """Every UID is one (PS3.5 9.1)."""
    for made in bundle.objects:
        wrong = {keyword for keyword, uid in set(_uids(made)) if not UID(uid).is_valid}
        if wrong:
            yield f"not a UID: {', '.join(sorted(wrong))}"


def _uids(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Walk a dataset for UIDs and their keywords; values of other kinds are left as bytes, they may be millions."""
    waiting = [dataset]
    while waiting:
        holder = waiting.pop()
        # Over itself a dataset gives elements, each read into values; so they come as they lie.
        for lying in list(holder.values()):
            representation = lying.VR or (dictionary_VR(lying.tag) if dictionary_has_tag(lying.tag) else "UN")
            if representation not in ("SQ", "UI"):
                continue
            if representation == "UI" and isinstance(lying, RawDataElement):
                # pydicom would make an object of each, and a segmentation has thousands.
                told = (lying.value or b"").rstrip(b"\0 ").decode("latin-1")
                yield from ((keyword_for_tag(lying.tag), uid) for uid in told.split("\\"))
                continue
            element = lying if isinstance(lying, DataElement) else holder[lying.tag]
            if representation == "SQ":
                waiting.extend(element.value or ())
            else:
                values = [element.value] if isinstance(element.value, str) else element.value or []
                yield from ((element.keyword, str(uid)) for uid in values)


def identity(bundle: Bundle) -> Iterator[str]:
    """Patient and study are the source's, attribute for attribute."""
    expected = bundle.sources.identity.attributes
    whom = "the source" if bundle.sources.known else "another object"
    for made in bundle.objects:
        # Values are a patient's, so only the attribute is named.
        if bundle.foreign:
            other = [keyword for keyword in _WHOSE if (_told(made, keyword) or "") != (_told(expected, keyword) or "")]
        else:
            other = [keyword for keyword in COPIED if _told(made, keyword) != _told(expected, keyword)]
        if other:
            yield f"differs from {whom} in {', '.join(other)}"


def characters(bundle: Bundle) -> Iterator[str]:
    """Texts are in UTF-8, whatever the source's are in."""
    if any(made.get("SpecificCharacterSet") != "ISO_IR 192" for made in bundle.objects):
        yield "the character set is not ISO_IR 192"


def _told(dataset: Dataset, keyword: str) -> object:
    if keyword not in dataset:
        return None
    value = dataset[keyword].value
    if dataset[keyword].VR == "SQ":
        return [item.to_json_dict() for item in value]
    return str(value if value is not None else "")


def equipment(bundle: Bundle) -> Iterator[str]:
    """All objects name the same algorithm by its Device UID, in the equipment and as the observer (IHE AIR)."""
    devices: set[str] = {device_uid(bundle.card)} if bundle.card else set()
    for made in bundle.objects:
        if made.get("Manufacturer") != MANUFACTURER:
            yield f"Manufacturer is not {MANUFACTURER}"
        own = [
            str(item.get("DeviceUID", "")) for item in made.get("ContributingEquipmentSequence", ()) if _processes(item)
        ]
        if len(own) != 1 or not own[0]:
            yield "no processing equipment with a Device UID"
        devices.update(own)
    for items in bundle.items:
        observers = [str(item.UID) for item in items if name_of(item) == _DEVICE_OBSERVER_UID]
        if len(observers) != 1:
            yield "a report names no device observer"
        devices.update(observers)
    if len(devices) > 1:
        yield f"{len(devices)} different Device UIDs"


def _processes(item: Dataset) -> bool:
    return any(
        code.get("CodeValue") == _PROCESSING_EQUIPMENT for code in item.get("PurposeOfReferenceCodeSequence", ())
    )


def own_series(bundle: Bundle) -> Iterator[str]:
    """Each object has a series of its own, numbered apart from the scanner's and described as AI and RESEARCH."""
    series = [made.get("SeriesInstanceUID") for made in bundle.objects]
    if len(set(series)) < len(series):
        yield "two objects share a series"
    if {uid for _, uid, _ in bundle.sources.instances} & {str(uid) for uid in series}:
        yield "an object stands in a series of the source"
    for made in bundle.objects:
        description = str(made.get("SeriesDescription", ""))
        if int(made.get("SeriesNumber") or 0) < FIRST_SERIES_NUMBER:
            yield f"series number {made.get('SeriesNumber')} is below {FIRST_SERIES_NUMBER}"
        if len(description) > _LONGEST_LO or "AI " not in description:
            yield "a series description does not say AI or is too long"
        if bundle.card and bundle.card.research != description.startswith("RESEARCH "):
            yield "a series description does not say whether the model is cleared"
