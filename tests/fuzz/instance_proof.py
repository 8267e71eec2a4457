"""A dataset given to all that looks into it when it arrives: whatever it is, only refusals with a name come of it."""

import resource
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from dicom_node.datasets.head import first_of_group
from dicom_node.datasets.origin import judge, meta_of
from dicom_node.datasets.wholeness import is_whole
from dicom_node.errors import HeadUnreadable, InvalidUid, Mismatch, MissingUid
from dicom_node.spooling.reencoding import same_when_reencoded
from dicom_node.spooling.spool import Spool
from tests.fuzz.instance_case import InstanceCase
from tests.unit.dicom_node.instances import dataset, write_file
from worker.instances.quick_parsing import quickly_parsed

#: What a dataset may be refused with; anything else is a mistake of ours.
REFUSALS = (Mismatch, InvalidUid, MissingUid, HeadUnreadable)
#: Processor time for one dataset, in all that looks into it; the slowest ones, bombs, take a fifth.
MOST_S = 5.0
#: What all of them together may add to the process; a bomb that is inflated as a whole adds as much by itself.
MOST_KIB = 48 << 10
_PIXELS = 0x7FE0


class InstanceProof:
    """A spool, and datasets that are given to it."""

    def __init__(self, folder: Path) -> None:
        """Take a folder of its own."""
        self._folder = folder
        self._spool = Spool(folder / "spool", fsync="off")
        self._kept = write_file(folder / "kept.dcm", dataset())
        self.troubles: list[str] = []
        self.refused = self.stored = 0
        self.slowest_s = 0.0
        self._largest_kib = 0

    def run(self, cases: Iterable[InstanceCase]) -> None:
        """Look at each; `troubles` has what must not be."""
        for case in cases:
            began = time.process_time()
            try:
                self._look(case)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                self._trouble(case, f"{type(error).__name__}: {error}")
            took = time.process_time() - began
            self.slowest_s = max(self.slowest_s, took)
            if took > MOST_S:
                self._trouble(case, f"took {took:.1f} s")
            self._weigh(case)
        if left := list(self._spool.root.rglob("*.part")):
            self.troubles.append(f"{len(left)} half-written files in the spool")

    def _trouble(self, case: InstanceCase, what: str) -> None:
        self.troubles.append(f"case {case.number} ({', '.join(case.mutations)}): {what}")

    def _weigh(self, case: InstanceCase) -> None:
        largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if self._largest_kib and largest > self._largest_kib + MOST_KIB:
            self._trouble(case, f"{largest - self._largest_kib} KiB more memory")
            self._largest_kib = largest
        self._largest_kib = self._largest_kib or largest

    def _look(self, case: InstanceCase) -> None:
        data, origin = case.dataset, case.origin
        syntax = origin.transfer_syntax_uid
        whole = is_whole(data, syntax)
        for look in (
            lambda: first_of_group(data, syntax, _PIXELS),
            lambda: judge(origin, memoryview(data)),
        ):
            _refused(look)
        meta = meta_of(origin)
        quickly_parsed(meta + data, len(meta), syntax)
        same_when_reencoded(self._kept, data, syntax)
        stored = _refused(lambda: self._spool.describe(self._spool.store(origin, data).file))
        self.refused, self.stored = self.refused + (not stored), self.stored + bool(stored)
        if not case.mutations and not (whole and stored):
            raise AssertionError("nothing is wrong with it, and it was refused")


def _refused(action: Callable[[], object]) -> bool:
    """Do it; return False where it was refused by name."""
    try:
        action()
    except REFUSALS:
        return False
    return True
