"""How the node's audit trail hears: it stands before those who are told anyway."""

from collections.abc import Sequence

from dicom_node.processes.receiver_desk import Assembling
from dicom_node.study import AssembledStudy, SeriesWish, StoredInstance, StudyStore
from ops.audit.trail import Trail


class Overhearing:
    """An assembler (`dicom_node.processes.receiver_desk.Assembling`) whose reports the trail hears first."""

    def __init__(self, assembler: Assembling, trail: Trail) -> None:
        """Take both."""
        self._assembler = assembler
        self._trail = trail

    def accepting(self) -> bool:
        """Say what the assembler says."""
        return self._assembler.accepting()

    def full_peers(self) -> frozenset[str]:
        """Return whom the assembler returns."""
        return self._assembler.full_peers()

    def instance_stored(self, instance: StoredInstance, association: str) -> None:
        """Count it, before the assembler can close its study."""
        self._trail.instance_stored(instance, association)
        self._assembler.instance_stored(instance, association)

    def association_ended(self, association: str) -> None:
        """Tell what it has brought."""
        self._trail.association_ended(association)
        self._assembler.association_ended(association)

    def listed(self, study_instance_uid: str, sop_instance_uids: frozenset[str], source: str) -> None:
        """Pass it on."""
        self._assembler.listed(study_instance_uid, sop_instance_uids, source)

    def adopt(self, pid: int) -> None:
        """Leave it to the assembler, who tells what it finds."""
        self._assembler.adopt(pid)


class AuditedStore:
    """A study store to which a study goes only when the trail has what has come of it.

    What a crash loses of the trail is then not recorded either: it is found in the spool again, and told.
    """

    def __init__(self, store: StudyStore, trail: Trail) -> None:
        """Take both."""
        self._store = store
        self._trail = trail

    def recorded_files(self, folder: str) -> frozenset[str]:
        """Return what the store returns."""
        return self._store.recorded_files(folder)

    def study_receiving(self, instance: StoredInstance) -> bool:
        """Pass it on."""
        return self._store.study_receiving(instance)

    def nothing_left(self, study_instance_uid: str) -> None:
        """Keep the messages first: its instances had come."""
        self._trail.settle(study_instance_uid)
        self._store.nothing_left(study_instance_uid)

    def series_wish(self) -> SeriesWish:
        """Return what the store returns."""
        return self._store.series_wish()

    def made_here(self, instances: Sequence[StoredInstance]) -> frozenset[str]:
        """Return what the store returns."""
        return self._store.made_here(instances)

    def ours_among(self, sop_instance_uids: Sequence[str]) -> frozenset[str]:
        """Return what the store returns."""
        return self._store.ours_among(sop_instance_uids)

    def series_complete(self, study: AssembledStudy) -> None:
        """Pass it on: its messages are kept when the whole study is."""
        self._store.series_complete(study)

    def close_revision(self, study: AssembledStudy) -> None:
        """Keep the messages first."""
        self._trail.settle(study.study_instance_uid)
        self._store.close_revision(study)
