"""The output gate: what every result passes before it is sent, and can be asked of results that were fetched back.

Objects are checked as their receiver will read them, from their bytes.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from models.manifest import Card
from worker import gate_content_checks, gate_object_checks
from worker.case import Case
from worker.errors import OutputRefused
from worker.gate_bundle import Bundle, parsed, sources_of
from worker.object_encoding import ResultObject

_Check = Callable[[Bundle], Iterator[str]]


def completeness(bundle: Bundle) -> Iterator[str]:
    """What the reading says is told: structures by SEG and SR, numbers of a waveform by SR, everything by a text SR."""
    if not bundle.reports:
        yield "no report"
    if bundle.reading is not None and bool(bundle.reading.structures) != bool(bundle.segmentations):
        yield "a segmentation is missing, or there is one of nothing"


#: In the order in which they are told. The name says what holds where the check passes.
CHECKS: tuple[tuple[str, _Check], ...] = (
    ("file meta", gate_object_checks.file_meta),
    ("valid UIDs", gate_object_checks.valid_uids),
    ("patient and study", gate_object_checks.identity),
    ("equipment", gate_object_checks.equipment),
    ("own series", gate_object_checks.own_series),
    ("completeness", completeness),
    ("flags", gate_content_checks.flags),
    ("evidence", gate_content_checks.evidence),
    ("geometry", gate_content_checks.geometry),
    ("segments", gate_content_checks.segments),
    ("tracking", gate_content_checks.tracking),
    ("kinds of group", gate_content_checks.kinds_of_group),
    ("numbers", gate_content_checks.numbers),
)


def check(objects: Sequence[ResultObject], case: Case) -> None:
    """Pass the results of a reading. Raises OutputRefused that names every check that failed."""
    _pass(
        Bundle(
            objects=tuple(parsed(made.data) for made in objects),
            sources=sources_of(case.series.datasets, case.series.frame_numbers, exact=True),
            card=case.provenance.card,
            reading=case.reading,
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
        objects = tuple(parsed(path.read_bytes()) for path in paths)
    except (OSError, InvalidDicomError) as error:
        raise OutputRefused(f"a file cannot be read back ({type(error).__name__})") from error
    _pass(Bundle(objects=objects, sources=sources_of(sources, exact=False), card=card, reading=None))


def _pass(bundle: Bundle) -> None:
    failed = []
    for name, run in CHECKS:
        try:
            failed += [f"{name}: {told}" for told in dict.fromkeys(run(bundle))]
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # An object without what a check looks at has failed it.
            failed.append(f"{name}: not all of it is there ({type(error).__name__})")
    if failed:
        raise OutputRefused(f"the output gate refused {len(bundle.objects)} objects, {'; '.join(failed)}")
