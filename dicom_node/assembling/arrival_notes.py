"""What the store is told while a study arrives: that it does, and who adds to it; each of its senders once."""

from collections.abc import Callable
from functools import partial

from dicom_node.assembling.handover import Errand, Handover
from dicom_node.study import StoredInstance, StudyStore


class ArrivalNotes:
    """The notes of open studies; for the assembler's thread. Each waits for the store, as an errand."""

    def __init__(self, store: StudyStore, handover: Handover, before_first: Callable[[str], None]) -> None:
        """Take the store, where errands wait, and what is done just before a study is noted, given its UID."""
        self._store = store
        self._handover = handover
        self._before_first = before_first
        self._senders: dict[str, set[str]] = {}  # of each open study: who has been noted
        self._own_alone: set[str] = set()  # studies of which so far only results of our own have come

    def came(self, instance: StoredInstance, *, first: bool) -> None:
        """Hear of an instance, the first of a study that was not open, or another one."""
        study_uid, sender = instance.study_instance_uid, instance.calling_ae_title
        senders = self._senders[study_uid] = set() if first else self._senders[study_uid]
        if first or study_uid in self._own_alone:
            self._handover.add(Errand.NOTE, study_uid, partial(self._note_first, instance))
        elif sender not in senders:
            self._handover.add(Errand.NOTE, _note_of(study_uid, sender), partial(self._note_another, instance))
        senders.add(sender)

    def own_alone(self, study_uid: str) -> bool:
        """Say whether only results of our own have come of a study: then the store has not been told that it comes."""
        return study_uid in self._own_alone

    def forget(self, study_uid: str) -> None:
        """Drop what still waits: told now, the store would take the study for one that still arrives."""
        for note in (study_uid, *(_note_of(study_uid, sender) for sender in self._senders.pop(study_uid, ()))):
            self._handover.drop(Errand.NOTE, note)
        self._own_alone.discard(study_uid)

    def _note_first(self, instance: StoredInstance) -> None:
        self._before_first(instance.study_instance_uid)
        if self._store.study_receiving(instance):
            self._own_alone.discard(instance.study_instance_uid)
        else:
            self._own_alone.add(instance.study_instance_uid)

    def _note_another(self, instance: StoredInstance) -> None:
        if self._store.study_receiving(instance):
            self._own_alone.discard(instance.study_instance_uid)


def _note_of(study_uid: str, sender: str) -> str:
    """Return what the note of a sender is called that is not the study's first."""
    return f"{study_uid}, {sender}"
