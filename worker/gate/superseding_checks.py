"""What a report says of the read that it supersedes is true."""

from collections.abc import Iterator

from worker.gate.bundle import Bundle
from worker.instances.instance_hierarchy import listed_references


def superseding(bundle: Bundle) -> Iterator[str]:
    """A report's predecessors (PS3.3 C.17.2) are of the read that is superseded, in the same study."""
    known = set(bundle.superseded)
    studies = {study for study, _, _ in bundle.sources.instances}
    for report in bundle.reports:
        listed = set(listed_references(report, "PredecessorDocumentsSequence"))
        if bundle.reading is not None and not listed <= known:
            yield "names a predecessor that it does not supersede"
        if studies and any(reference.study_instance_uid not in studies for reference in listed):
            yield "names a predecessor of another study"
