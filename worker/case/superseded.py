"""What a read supersedes, and what it says of it: a sentence, and the documents before its own."""

from collections.abc import Callable
from datetime import tzinfo

from pydicom.dataset import Dataset

from worker.case.sentences import Words
from worker.instances.instance_hierarchy import hierarchy_of
from worker.jobs.superseded_read import Standing, SupersededRead


def superseded_by(standing: Standing, uid_of: Callable[[SupersededRead | None, str], str]) -> SupersededRead | None:
    """Return what a new read of a job takes the place of; None where nothing stands.

    A job that was read before and gives the same read again takes the place of what that one did, and not of itself:
    the same input gives the same bytes.

    Args:
        standing: From the ledger.
        uid_of: What the SOP Instance UID of an object of a kind is, where the new read supersedes this.
    """
    for count, first in enumerate(standing.own):
        before = SupersededRead.of(standing, standing.own[:count])
        if uid_of(before, first.kind) == first.reference.sop_instance_uid:
            return before
    return SupersededRead.of(standing, standing.own)


def superseding_sentences(superseded: SupersededRead | None, words: Words, zone: tzinfo | None) -> tuple[str, ...]:
    """Return what says that an earlier read no longer counts; nothing where there is none. `zone` is the site's."""
    if superseded is None:
        return ()
    if not superseded.later_images:
        return (words.say("Supersedes what was sent before: the images were read again."),)
    moment = superseded.read_at.astimezone(zone)
    return (words.say("Supersedes the read of {time}: later images came.", time=words.date_time(moment)),)


def predecessors(superseded: SupersededRead | None, kind: str) -> list[Dataset]:
    """Return the items of Predecessor Documents Sequence (0040,A360): the earlier read's report of the same kind."""
    same = [reference for its_kind, reference in (superseded.objects if superseded else ()) if its_kind == kind]
    return hierarchy_of(same)
