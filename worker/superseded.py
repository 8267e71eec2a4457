"""What a read of later images says of the one that it supersedes: a sentence, and the documents before its own."""

from datetime import tzinfo

from pydicom.dataset import Dataset

from worker.instance_hierarchy import hierarchy_of
from worker.sentences import Words
from worker.superseded_read import SupersededRead


def superseding_sentences(superseded: SupersededRead | None, words: Words, zone: tzinfo | None) -> tuple[str, ...]:
    """Return what says that an earlier read no longer counts; nothing where there is none. `zone` is the site's."""
    if superseded is None:
        return ()
    moment = superseded.read_at.astimezone(zone)
    return (words.say("Supersedes the read of {time}: later images came.", time=words.date_time(moment)),)


def predecessors(superseded: SupersededRead | None, kind: str) -> list[Dataset]:
    """Return the items of Predecessor Documents Sequence (0040,A360): the earlier read's report of the same kind."""
    same = [reference for its_kind, reference in (superseded.objects if superseded else ()) if its_kind == kind]
    return hierarchy_of(same)
