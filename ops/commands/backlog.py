"""A list of studies pulled one after the other; one that fails does not hold the others."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from dicom_node.archives.requestor import Requestor
from dicom_node.errors import ArchiveUnreachable, AssociationRejected, NodeError
from dicom_node.pulling.contents import contents_of
from dicom_node.pulling.moving import pull_by_move
from dicom_node.pulling.pulling import Pulled, pull_by_get
from dicom_node.spooling.spool_layout import SpoolFolders

#: Studies in a row for which the archive or our node was away.
_MOST_IN_VAIN = 3
_EMPTY = "look at what it has under this UID: is the study offline there, or empty?"
#: What is there already is not kept twice.
_AGAIN = "Then pull it again"


@dataclass(frozen=True, kw_only=True)
class Route:
    """From where to where, and how.

    Attributes:
        archive: It has the studies.
        node: It gets them.
        move: C-MOVE, by the node's AE title; else C-GET.
        spool: The node's, to see what has come by C-MOVE; None where it is not here.
    """

    archive: Requestor
    node: Requestor
    move: bool
    spool: SpoolFolders | None = None


class Watcher(Protocol):
    """Who shows how far it is."""

    def begun(self, instances: int | None) -> None:
        """A study begins, of so many instances; None where the archive does not say."""

    def step(self, instances: int) -> None:
        """The node has so many instances of it by now."""


class _Taken:
    """How many instances of the study that is under way the node has: also where it ends with an error."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self.instances = 0

    def begun(self, instances: int | None) -> None:
        self._watcher.begun(instances)

    def step(self, instances: int) -> None:
        self.instances = instances
        self._watcher.step(instances)


def pull_studies(studies: Iterable[str], route: Route, watcher: Watcher) -> Iterator[tuple[str, Pulled]]:
    """Pull each study and yield what became of it. When archive or node stay away, the rest is not tried."""
    return _each(studies, lambda study_uid, taken: _pull(study_uid, route, taken), watcher)


def _each(
    studies: Iterable[str], pull: Callable[[str, Watcher], Pulled], watcher: Watcher
) -> Iterator[tuple[str, Pulled]]:
    in_vain = 0
    for study_uid in studies:
        if in_vain == _MOST_IN_VAIN:
            yield study_uid, Pulled(instances=0, why="not tried: see the studies before", remedy="pull it again then")
            continue
        taken = _Taken(watcher)
        try:
            pulled = pull(study_uid, taken)
            in_vain = 0
            if not pulled.why and not pulled.instances:
                pulled = replace(
                    pulled, why="the archive sent not one instance, and says that this was all", remedy=_EMPTY
                )
        except (ArchiveUnreachable, AssociationRejected) as error:
            pulled = _failed(error, taken.instances)
            in_vain += 1
        except NodeError as error:
            pulled = _failed(error, taken.instances)
        yield study_uid, pulled


def _failed(error: NodeError, instances: int) -> Pulled:
    """Say what happened, and what to do: an error's words after its cause, where it has any."""
    cause, _, remedy = str(error).partition("; ")
    remedy = remedy[:1].upper() + remedy[1:].rstrip(".") or "See the archive's log and our node's"
    ending = "" if remedy.endswith("?") else "."
    return Pulled(instances=instances, why=cause, remedy=f"{remedy}{ending} {_AGAIN}")


def _pull(study_uid: str, route: Route, watcher: Watcher) -> Pulled:
    contents = contents_of(route.archive, study_uid)
    if contents is None:
        return Pulled(instances=0, why="the archive has no such study", remedy="is it the right archive, and UID?")
    watcher.begun(contents.instances)
    if route.move:
        return pull_by_move(route.archive, route.node, study_uid, contents, watcher.step, route.spool)
    return pull_by_get(route.archive, route.node, study_uid, contents, watcher.step)
