"""The output gate: what every result passes before it is sent, and can be asked of results that were fetched back.

Objects are checked as their receiver will read them, from their bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from models.card.manifest import Card
from worker.case.case import Case
from worker.errors import OutputRefused
from worker.gate import (
    attribute_checks,
    content_checks,
    drawing_checks,
    labelmap_checks,
    number_checks,
    object_checks,
    parametric_map_checks,
    picture_checks,
    planar_checks,
    prior_evidence,
    report_checks,
    rt_structure_checks,
    superseding_checks,
)
from worker.gate.bundle import Bundle, parsed, sources_of
from worker.instances.sender_characters import settle
from worker.objects.object_encoding import ResultObject
from worker.objects.segments import segmented


def completeness(bundle: Bundle) -> Iterator[str]:
    """What the reading says is told: structures by SEG and SR, numbers of a waveform by SR, everything by a text SR."""
    if not bundle.reports:
        yield "no report"
    if bundle.reading is not None and bool(segmented(bundle.reading)) != bool(bundle.segmentations):
        yield "a segmentation is missing, or there is one of nothing"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check and where it can be asked.

    Attributes:
        name: What holds where it passes.
        run: Says what is wrong.
        needs_sources: Whether it compares with what was read.
        needs_all: Whether it means nothing while objects of the reading are missing.
        ours: Whether it is a rule of this house, not of DICOM: other makers' objects need not keep it.
    """

    name: str
    run: Callable[[Bundle], Iterator[str]]
    needs_sources: bool = False
    needs_all: bool = False
    ours: bool = False

    def applies(self, bundle: Bundle) -> bool:
        """Say whether it can be asked of these objects."""
        return not (
            (self.needs_sources and not bundle.sources.known)
            or (self.needs_all and bundle.partial)
            or (self.ours and bundle.foreign)
        )


#: In the order in which they are told.
CHECKS: tuple[Check, ...] = (
    Check(name="file meta", run=object_checks.file_meta),
    Check(name="transfer syntax", run=object_checks.transfer_syntax, ours=True),
    Check(name="valid UIDs", run=object_checks.valid_uids),
    Check(name="attributes", run=attribute_checks.attributes),
    Check(name="patient and study", run=object_checks.identity),
    Check(name="characters", run=object_checks.characters, ours=True),
    Check(name="equipment", run=object_checks.equipment, ours=True),
    Check(name="own series", run=object_checks.own_series, ours=True),
    Check(name="completeness", run=completeness, needs_all=True),
    Check(name="flags", run=report_checks.flags, ours=True),
    Check(name="evidence", run=report_checks.evidence, needs_sources=True),
    Check(name="references", run=report_checks.references),
    Check(name="images of answers", run=report_checks.answered_images, needs_sources=True, ours=True),
    Check(name="geometry", run=content_checks.geometry, needs_sources=True),
    Check(name="planar geometry", run=planar_checks.planar_geometry, needs_sources=True),
    Check(name="segments", run=content_checks.segments),
    Check(name="label map", run=labelmap_checks.label_map, ours=True),
    Check(name="parametric map", run=parametric_map_checks.parametric_map, ours=True),
    Check(name="contours", run=rt_structure_checks.rt_structures, needs_sources=True, ours=True),
    Check(name="pictures", run=picture_checks.pictures, ours=True),
    Check(name="burnt in", run=picture_checks.telling, needs_sources=True, ours=True),
    Check(name="documents", run=picture_checks.documents),
    Check(name="presentation state", run=picture_checks.presentation_states, needs_sources=True, ours=True),
    Check(name="graphics", run=drawing_checks.drawn_graphics, needs_sources=True, ours=True),
    Check(name="key objects", run=picture_checks.key_objects),
    Check(name="references of pictures", run=picture_checks.references_of_pictures, needs_sources=True, ours=True),
    Check(name="tracking", run=report_checks.tracking),
    Check(name="kinds of group", run=report_checks.kinds_of_group),
    Check(name="regions", run=report_checks.regions, needs_sources=True, ours=True),
    Check(name="outlines", run=drawing_checks.drawn_regions, needs_sources=True, ours=True),
    Check(name="numbers", run=number_checks.numbers),
    Check(name="comparison", run=prior_evidence.comparison),
    Check(name="superseding", run=superseding_checks.superseding),
)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a check found wrong.

    Attributes:
        check: Its name.
        told: What is wrong, without a patient's data.
    """

    check: str
    told: str

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.check}: {self.told}"


def check(objects: Sequence[ResultObject], case: Case) -> None:
    """Pass the results of a reading. Raises OutputRefused that names every check that failed."""
    _pass(
        Bundle(
            objects=tuple(parsed(made.data) for made in objects),
            sources=sources_of(case.series.datasets, case.series.frame_numbers, exact=True, others=case.series.others),
            card=case.provenance.card,
            reading=case.reading,
            prior=case.prior,
            superseded=case.superseded.references if case.superseded is not None else (),
        )
    )


def check_files(paths: Sequence[Path], source_paths: Sequence[Path], card: Card | None = None) -> None:
    """Pass the results of one reading that were read back as files, against the files of the series that was read.

    The same checks as `check`, save what only the reading itself can tell (its voxels and its numbers). The sources may
    hold more instances than were read. Raises OutputRefused, also where a file is missing or no DICOM.
    """
    if not paths or not source_paths:
        raise OutputRefused("no results or no sources: there is nothing to pass")
    try:
        sources = [dcmread(path, stop_before_pixels=True) for path in source_paths]
        settle(sources[0], {})
        objects = tuple(parsed(path.read_bytes()) for path in paths)
    except (OSError, InvalidDicomError) as error:
        raise OutputRefused(f"a file cannot be read back ({type(error).__name__})") from error
    _pass(Bundle(objects=objects, sources=sources_of(sources, exact=False), card=card, reading=None))


def problems(bundle: Bundle) -> tuple[Problem, ...]:
    """Return everything that the checks that apply find wrong, each once; empty where the objects pass."""
    found: dict[Problem, None] = {}
    for each in (each for each in CHECKS if each.applies(bundle)):
        try:
            found |= dict.fromkeys(Problem(check=each.name, told=told) for told in each.run(bundle))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # An object without what a check looks at has failed it.
            found[Problem(check=each.name, told=f"not all of it is there ({type(error).__name__})")] = None
    return tuple(found)


def _pass(bundle: Bundle) -> None:
    failed = problems(bundle)
    if failed:
        told = "; ".join(map(str, failed))
        raise OutputRefused(f"the output gate refused {len(bundle.objects)} objects, {told}")
