"""What a segmentation of images without a place in patient space needs to know of them.

highdicom segments a single frame at most where there is no Frame of Reference. So each frame stands in as an image of a
stack that exists nowhere, and the stack's place is taken out of what was made (PS3.3 C.8.20.3: Plane Position and Pixel
Measures may be left out where the Derivation Image names the source).
"""

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import MRImageStorage

from worker.instances.source_repairs import lossy_compression_of, patient_orientation_of
from worker.provenance import derived_uid
from worker.series.series_volume import LoadedSeries

_EMPTY = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID")
_OF_THE_SERIES = ("StudyInstanceUID", "SeriesInstanceUID", "Modality", "Rows", "Columns")
_POSITION = tag_for_keyword("ImagePositionPatient")
_STACK = "1"


def stand_ins(series: LoadedSeries) -> list[Dataset]:
    """Return an image for each frame that was read, as highdicom needs it and without a patient (it logs names)."""
    return [_stand_in(series, place) for place in range(len(series.frame_numbers) or len(series.datasets))]


def take_place_away(made: Dataset, series: LoadedSeries) -> None:
    """Make what was made on `stand_ins` refer to the source's own images, and say nothing of a place."""
    for keyword in ("FrameOfReferenceUID", "PositionReferenceIndicator"):
        if keyword in made:
            delattr(made, keyword)
    places = {_uid(series, place): place for place in range(len(series.frame_numbers) or len(series.datasets))}
    for keyword in ("SourceImageSequence", "ReferencedSeriesSequence"):
        if keyword in made:
            setattr(made, keyword, _instances(series, keyword))
    shared = made.SharedFunctionalGroupsSequence[0]
    del shared.PlaneOrientationSequence
    # The source says how large a pixel is: highdicom reads no Pixel Measures without a thickness, and there is none.
    del shared.PixelMeasuresSequence
    made.PatientOrientation = _orientation_of_all(series)  # Type 2C where there is no place
    for item in made.DimensionIndexSequence:
        if item.DimensionIndexPointer == _POSITION:
            item.DimensionIndexPointer = tag_for_keyword("InStackPositionNumber")
            item.FunctionalGroupPointer = tag_for_keyword("FrameContentSequence")
            item.DimensionDescriptionLabel = "In-Stack Position Number"
    frames = made.PerFrameFunctionalGroupsSequence
    # Looked up before any is changed: highdicom lets frames of different segments share an item.
    found = [places[str(_image(frame).ReferencedSOPInstanceUID)] for frame in frames]
    for frame, place in zip(frames, found, strict=True):
        _refer(_image(frame), series, place)
        del frame.PlanePositionSequence
        content = frame.FrameContentSequence[0]
        content.StackID = _STACK
        values = content.DimensionIndexValues
        content.InStackPositionNumber = values[-1] if isinstance(values, MultiValue) else values


def _orientation_of_all(series: LoadedSeries) -> list[str] | None:
    """Return the Patient Orientation that all images say, None where they differ: it would be wrong of some frames."""
    first, *others = map(patient_orientation_of, series.datasets)
    return first if all(other == first for other in others) else None


def _stand_in(series: LoadedSeries, place: int) -> Dataset:
    source = series.datasets[0 if series.frame_numbers else place]
    lean = Dataset(lossy_compression_of(source))
    for keyword in _OF_THE_SERIES:
        if keyword in source:
            lean.add(source[keyword])
    lean.Modality = source.get("Modality") or "OT"
    # A class of single frames that lie somewhere; the real one is put back.
    lean.SOPClassUID = MRImageStorage
    lean.SOPInstanceUID = _uid(series, place)
    lean.FrameOfReferenceUID = derived_uid("nowhere")
    # highdicom goes through a stack of this orientation from high to low.
    lean.ImagePositionPatient = [0.0, 0.0, -float(place)]
    lean.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    lean.PixelSpacing = [1.0, 1.0]
    lean.SliceThickness = 1.0
    for keyword in _EMPTY:
        setattr(lean, keyword, "")
    lean.StudyDate = lean.StudyTime = None
    return lean


def _uid(series: LoadedSeries, place: int) -> str:
    return derived_uid("stand-in", str(series.datasets[0].SOPInstanceUID), str(place))


def _instances(series: LoadedSeries, keyword: str) -> list[Dataset]:
    instances = []
    for dataset in series.datasets:
        item = Dataset()
        item.ReferencedSOPClassUID = dataset.SOPClassUID
        item.ReferencedSOPInstanceUID = dataset.SOPInstanceUID
        instances.append(item)
    if keyword == "SourceImageSequence":
        return instances
    own = Dataset()
    own.ReferencedInstanceSequence = instances
    own.SeriesInstanceUID = series.datasets[0].SeriesInstanceUID
    return [own]


def _image(frame: Dataset) -> Dataset:
    return frame.DerivationImageSequence[0].SourceImageSequence[0]


def _refer(image: Dataset, series: LoadedSeries, place: int) -> None:
    source = series.datasets[0 if series.frame_numbers else place]
    image.ReferencedSOPClassUID = source.SOPClassUID
    image.ReferencedSOPInstanceUID = source.SOPInstanceUID
    if series.frame_numbers:
        image.ReferencedFrameNumber = series.frame_numbers[place]
