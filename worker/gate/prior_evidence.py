"""Which earlier reports a result was compared with: Pertinent Other Evidence Sequence (PS3.3 C.17.2)."""

from collections.abc import Iterator

from worker.gate.bundle import Bundle, name_of
from worker.instances.instance_hierarchy import listed_references

#: Concept name of a text SR's root (TID 2000).
_TEXT_REPORT = ("18748-4", "LN")


def comparison(bundle: Bundle) -> Iterator[str]:
    """The gate's check: what is called pertinent are the reports that were compared with, and of another study."""
    current = {study for study, _, _ in bundle.sources.instances}
    compared = set(bundle.prior.references) if bundle.prior else set()
    for report in bundle.reports:
        listed = set(listed_references(report))
        if any(reference.study_instance_uid in current for reference in listed):
            yield "compares with a report of the same study"
        if bundle.reading is not None and listed - compared:
            yield "lists a report that it was not compared with"
        if name_of(report) == _TEXT_REPORT and compared - listed:
            yield "does not list every report that it was compared with"
