"""What every result has in common: whose it is, which equipment made it, when, and how it becomes bytes."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from io import BytesIO

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from dicom_node.contexts import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from worker.case.case import Case
from worker.instances.source_repairs import Identity
from worker.object_kinds import KINDS, Kind
from worker.objects.frame_encoding import ready_to_write
from worker.provenance import Provenance, device_uid, serial_number

#: (0008,0070) of all results: with the contributing equipment it tells our own objects when they come back.
MANUFACTURER = "wetread"

#: Series numbers are this or more, far from a scanner's own.
FIRST_SERIES_NUMBER = 9000
_SERIES_OF_A_MODEL = 20
_MODELS_APART = 45
_LONGEST_DESCRIPTION = 64  # PS3.5 6.2, an LO


@dataclass(frozen=True, kw_only=True)
class ResultObject:
    """One result as it is kept and sent.

    Attributes:
        kind: What it is.
        sop_class_uid: (0008,0016).
        sop_instance_uid: (0008,0018).
        series_instance_uid: (0020,000E); every result has a series of its own.
        data: The DICOM file, file meta included.
    """

    kind: Kind
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    data: bytes


def series_number(provenance: Provenance, kind: Kind) -> int:
    """Return the series number of a kind of result: two kinds never share one, two models seldom do."""
    digest = hashlib.sha256(provenance.card.id.encode()).digest()
    model = int.from_bytes(digest[:4]) % _MODELS_APART
    return FIRST_SERIES_NUMBER + _SERIES_OF_A_MODEL * model + 1 + tuple(KINDS).index(kind)


def series_description(provenance: Provenance, kind: Kind, *, critical: bool = False, supersedes: bool = False) -> str:
    """Return the series description, RESEARCH first unless the model is cleared; at most 64 characters.

    That it is critical, and that it supersedes an earlier read, is said where the model's name leaves room.
    """
    research = "RESEARCH " if provenance.card.research else ""
    description = f"AI {provenance.card.name} {kind}"
    if supersedes and len(f"{research}SUPERSEDES EARLIER {description}") <= _LONGEST_DESCRIPTION:
        description = f"SUPERSEDES EARLIER {description}"
    longer = f"{research}CRITICAL {description}"
    return longer if critical and len(longer) <= _LONGEST_DESCRIPTION else research + description


def local_time(provenance: Provenance, identity: Identity) -> datetime:
    """Return the time of the read in the source's zone where it names one (PS3.3 C.12.1.1.8), else in its own."""
    offset = str(identity.attributes.get("TimezoneOffsetFromUTC", ""))
    if not offset:
        return provenance.read_at
    minutes = int(offset[1:3]) * 60 + int(offset[3:5])
    return provenance.read_at.astimezone(timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)))


def processing_equipment(provenance: Provenance) -> Dataset:
    """Return the item of Contributing Equipment Sequence that names the algorithm (IHE AIR; PS3.3 C.12.1)."""
    item = Dataset()
    item.Manufacturer = provenance.card.manufacturer
    item.ManufacturerModelName = provenance.card.name
    item.DeviceUID = device_uid(provenance.card)
    item.SoftwareVersions = provenance.card.version
    item.ContributionDateTime = provenance.read_at.strftime("%Y%m%d%H%M%S%z")
    item.ContributionDescription = provenance.runtime[:1024]
    item.PurposeOfReferenceCodeSequence = [coded_item("109102", "DCM", "Processing Equipment")]
    return item


def coded_item(value: str, scheme: str, meaning: str) -> Dataset:
    """Return an item of a code sequence (PS3.3 8.8)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def stamp(dataset: Dataset, case: Case, *, kind: Kind, sop_class_uid: str) -> None:
    """Set what all results share, over whatever is there: patient, study, series, equipment, SOP common, times."""
    provenance = case.provenance
    for element in case.identity.attributes:
        dataset.add(element)
    made_at = local_time(provenance, case.identity)
    date, time = made_at.strftime("%Y%m%d"), made_at.strftime("%H%M%S.%f")
    dataset.SOPClassUID = sop_class_uid
    dataset.SOPInstanceUID = provenance.uid(kind, "instance")
    dataset.InstanceCreationDate, dataset.InstanceCreationTime = date, time
    dataset.ContributingEquipmentSequence = [processing_equipment(provenance)]
    dataset.Modality = KINDS[kind].modality
    dataset.SeriesInstanceUID = provenance.uid(kind, "series")
    dataset.SeriesNumber = series_number(provenance, kind)
    dataset.SeriesDescription = series_description(
        provenance,
        kind,
        critical=kind == "TEXT-SR" and bool(case.critical),
        supersedes=case.superseded is not None,
    )
    dataset.SeriesDate, dataset.SeriesTime = date, time
    dataset.ContentDate, dataset.ContentTime = date, time
    dataset.InstanceNumber = 1
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = MANUFACTURER
    dataset.DeviceSerialNumber = serial_number(provenance.model_digest)
    dataset.SoftwareVersions = version("wetread")


def encoded(dataset: Dataset, kind: Kind) -> ResultObject:
    """Return the dataset as a file; the same dataset always gives the same bytes.

    In Explicit VR Little Endian, unless its builder has compressed it and says so in its file meta.
    """
    compressed = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = compressed or ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    ready = ready_to_write(dataset)
    ready.file_meta = meta
    ready.preamble = b"\x00" * 128
    buffer = BytesIO()
    dcmwrite(buffer, ready, enforce_file_format=True)
    return ResultObject(
        kind=kind,
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        data=buffer.getvalue(),
    )
