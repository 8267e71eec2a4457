"""Results of anybody, as files: which of them belong to one read, what that read stands on, and what the gate says.

Nobody is here to say which series was read: the objects themselves name it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID

from worker.errors import CharactersUnknown, WorkerError
from worker.gate.bundle import Bundle, Sources, parsed, sources_of, without_sources
from worker.gate.output_gate import CHECKS, Problem, problems
from worker.instances.sender_characters import settle
from worker.objects.object_encoding import MANUFACTURER

#: SOP classes of what is made from images: SR and Key Object Selection, SEG, Parametric Map, presentation states,
#: Secondary Capture, encapsulated documents, RT Structure Set.
_RESULTS = tuple(
    f"1.2.840.10008.5.1.4.1.1.{last}" for last in ("88.", "66.4", "66.7", "30", "11.", "7", "104.", "481.3")
)
#: What was compared with is another read.
_OTHERS = ("PertinentOtherEvidenceSequence", "PredecessorDocumentsSequence")
_UNREAD = Problem(check="sources", told="none of the images that it refers to is among the sources")


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """A DICOM file.

    Attributes:
        path: Of the file.
        dataset: What is in it; of images without their pixels.
        refers_to: Every SOP Instance and Series Instance UID that it names beside its own.
    """

    path: Path
    dataset: Dataset
    refers_to: frozenset[str]

    @property
    def is_result(self) -> bool:
        """Whether it is made from images."""
        return _is_result(self.dataset)

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return str(self.dataset.get("SOPInstanceUID", ""))

    @property
    def kind(self) -> str:
        """Name of its SOP class."""
        return str(UID(str(self.dataset.get("SOPClassUID", ""))).name).removesuffix(" Storage")


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """The results of one read, by one program, of one study.

    Attributes:
        results: In the order of their files.
        sources: What they stand on, as far as it is here.
        problems: What the gate's checks say of each result, by the place in `results`.
        together: What they say of no single one.
        not_checked: Names of the checks that could not be asked.
    """

    results: tuple[Found, ...]
    sources: tuple[Found, ...]
    problems: tuple[tuple[Problem, ...], ...]
    together: tuple[Problem, ...]
    not_checked: tuple[str, ...]


def found(path: Path) -> Found:
    """Read a DICOM file. Raises what pydicom and the file system raise."""
    head = dcmread(path, stop_before_pixels=True)
    dataset = head
    if _is_result(head):
        dataset = parsed(path.read_bytes())
    else:
        with suppress(CharactersUnknown):  # told where its characters are asked for
            settle(head, {})
    return Found(path=path, dataset=dataset, refers_to=frozenset(_referred(dataset)))


def _is_result(dataset: Dataset) -> bool:
    uid = str(dataset.get("SOPClassUID", ""))
    return any(uid == known or (uid.startswith(known) and known.endswith(".")) for known in _RESULTS)


def _referred(dataset: Dataset, *, inner: bool = False) -> Iterator[str]:
    for element in dataset:
        if element.VR == "SQ" and element.keyword not in _OTHERS:
            for item in element.value:
                yield from _referred(item, inner=True)
        elif element.keyword == "ReferencedSOPInstanceUID" or (inner and element.keyword == "SeriesInstanceUID"):
            yield str(element.value)


def judge(results: Sequence[Found], sources: Sequence[Found]) -> tuple[Read, ...]:
    """Sort results into reads and ask the gate of each.

    Args:
        results: Objects of any maker.
        sources: Images and waveforms; without those that a read refers to only some checks can be asked of it.
    """
    return tuple(_judged(group, sources) for group in _groups(results))


def _groups(results: Sequence[Found]) -> list[tuple[Found, ...]]:
    """Join what one program says of one study and of the same series, and what refers to each other."""
    groups: list[list[Found]] = []
    for result in results:
        same = [group for group in groups if any(_belong_together(result, other) for other in group)]
        groups = [group for group in groups if group not in same]
        groups.append([*(other for group in same for other in group), result])
    order = {id(result): place for place, result in enumerate(results)}
    joined = [tuple(sorted(group, key=lambda result: order[id(result)])) for group in groups]
    return sorted(joined, key=lambda group: order[id(group[0])])


def _belong_together(one: Found, two: Found) -> bool:
    if _maker(one.dataset) != _maker(two.dataset):
        return False
    ends = ({one.uid, str(one.dataset.get("SeriesInstanceUID"))}, {two.uid, str(two.dataset.get("SeriesInstanceUID"))})
    return bool(one.refers_to & two.refers_to or one.refers_to & ends[1] or two.refers_to & ends[0])


def _maker(dataset: Dataset) -> tuple[str, ...]:
    devices = [str(item.get("DeviceUID", "")) for item in dataset.get("ContributingEquipmentSequence", ())]
    return (str(dataset.get("StudyInstanceUID")), str(dataset.get("Manufacturer")), *sorted(devices))


def _judged(results: tuple[Found, ...], sources: Sequence[Found]) -> Read:
    referred = frozenset[str]().union(*(result.refers_to for result in results))
    stands_on = tuple(
        source for source in sources if {source.uid, str(source.dataset.get("SeriesInstanceUID"))} & referred
    )
    wrong: list[Problem] = [_UNREAD] if sources and referred and not stands_on else []
    known, bundle = _bundle(results, stands_on, wrong)
    wrong += problems(bundle) if bundle else ()
    each = tuple(
        tuple(problem for problem in wrong if bundle and problem in _alone(result, results, known))
        for result in results
    )
    told = {problem for its in each for problem in its}
    return Read(
        results=results,
        sources=stands_on,
        problems=each,
        together=tuple(problem for problem in wrong if problem not in told),
        not_checked=tuple(
            check.name for check in CHECKS if not check.needs_all and (bundle is None or not check.applies(bundle))
        ),
    )


def _bundle(
    results: Sequence[Found], stands_on: Sequence[Found], wrong: list[Problem]
) -> tuple[Sources | None, Bundle | None]:
    """Return what the gate looks at; what its sources lack is added to `wrong`, and they are left out then."""
    sources: Sources | None = None
    try:
        if stands_on:
            sources = sources_of([source.dataset for source in stands_on], exact=False)
    except (WorkerError, AttributeError, ValueError, TypeError) as error:
        told = (
            str(error) if isinstance(error, WorkerError) else f"they lack what a check needs ({type(error).__name__})"
        )
        wrong.append(Problem(check="sources", told=told))
    try:
        sources = sources or without_sources(results[0].dataset)
    except WorkerError as error:
        wrong.append(Problem(check="patient and study", told=str(error)))
        return None, None
    return sources, _of(results, sources)


def _of(results: Sequence[Found], sources: Sources) -> Bundle:
    foreign = any(result.dataset.get("Manufacturer") != MANUFACTURER for result in results)
    objects = tuple(result.dataset for result in results)
    return Bundle(objects=objects, sources=sources, card=None, reading=None, partial=True, foreign=foreign)


def _alone(result: Found, results: Sequence[Found], sources: Sources | None) -> Mapping[Problem, None]:
    """Return what is wrong with a result beside those that it refers to, and is not wrong with those."""
    if sources is None:
        return {}
    foreign = _of(results, sources).foreign
    others = [other for other in results if other is not result and other.uid in result.refers_to]
    theirs = problems(replace(_of(others, sources), foreign=foreign)) if others else ()
    both = problems(replace(_of([*others, result], sources), foreign=foreign))
    return dict.fromkeys(problem for problem in both if problem not in theirs)
