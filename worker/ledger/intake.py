"""The ledger's way in: a study arrives, a revision is closed, its jobs are queued."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from dicom_node.study import AssembledStudy, Completion, StoredInstance
from worker.jobs.job import JobState
from worker.ledger.damage import readable
from worker.ledger.database import LOCK, Database, lock_name, write_event
from worker.ledger.inputs import files_of_job
from worker.ledger.planned_read import Planned
from worker.ledger.planning import decide, plan_job, start_over
from worker.ledger.revisions import add_revision, digest_of, latest_revision
from worker.ledger.tables import Job, Model, Peer, ResultObject, Revision, Series, Study

#: SQLite takes 32,766 parameters in a statement, and a list of instances may have more.
_UIDS_A_QUERY = 5000


class IntakeLedger(Database):
    """Studies and revisions."""

    def recorded_files(self, folder: str) -> frozenset[str]:
        """Return the files of a study folder that some revision lists, relative to the spool."""
        query = (
            select(Series.manifest)
            .join(Revision, Revision.id == Series.revision_id)
            .join(Study, Study.id == Revision.study_id)
            # What was read early is to be in a revision of the whole study yet.
            .where(Study.folder == folder, Revision.completion != Completion.SERIES.value)
        )
        with self.reading() as session:
            return frozenset(file for manifest in session.scalars(query) for file in manifest)

    def read_before(self, study_instance_uid: str) -> dict[str, tuple[str, ...]]:
        """Return by model id the files, relative to the spool, that its earlier read of a study was made on.

        That is its latest job that was read or is being read, else the latest that waits for its read.
        """
        query = (
            select(Model.model_id, Job.id)
            .join(Job, Job.model_digest == Model.digest)
            .join(Revision, Revision.id == Job.revision_id)
            .join(Study, Study.id == Revision.study_id)
            .where(Study.study_instance_uid == study_instance_uid)
        )
        # A read that was held, queued again or superseded since has left results all the same.
        met = or_(Job.state.in_((JobState.READ, JobState.CLAIMED)), Job.recipe_digest != "")
        with self.reading() as session:
            latest = dict(session.execute(query.where(Job.state == JobState.QUEUED).order_by(Job.id)).all())
            latest |= dict(session.execute(query.where(met).order_by(Job.id)).all())
            return {model_id: files_of_job(session, job_id) for model_id, job_id in latest.items()}

    def study_receiving(self, instance: StoredInstance) -> None:
        """Note that a study, or a later image of one, is arriving."""
        with self.writing() as session:
            study = _locked_study(session, instance.study_instance_uid)
            if study is None:
                study = Study(
                    study_instance_uid=instance.study_instance_uid,
                    folder=instance.file.split("/", 1)[0],
                    calling_ae_title=instance.calling_ae_title,
                    receiving=True,
                    first_received_at=instance.received_at,
                    last_received_at=instance.received_at,
                )
                session.add(study)
                session.flush()
                write_event(session, "study arriving", study_id=study.id, calling_ae_title=instance.calling_ae_title)
            elif not study.receiving:
                study.receiving = True
                write_event(session, "later image", study_id=study.id)
            _note_peer(session, instance)

    def nothing_left(self, study_instance_uid: str) -> None:
        """Note that a study does not arrive, though an instance of it had come; of one that does not, nothing."""
        arriving = Study.study_instance_uid == study_instance_uid, Study.receiving
        if not self.finds(select(Study.id).where(*arriving)):
            return  # asked of every study at each start: the write lock is left to others
        with self.writing() as session:
            study = _locked_study(session, study_instance_uid)
            if study is not None and study.receiving:
                study.receiving = False
                write_event(session, "nothing left of it", study_id=study.id)

    def close_revision(
        self, assembled: AssembledStudy, summaries: Mapping[str, dict[str, Any]], plan: Iterable[Planned]
    ) -> int:
        """Record a revision with its jobs and their tokens; return its number.

        The same set of files as the latest revision changes nothing, but where a job is to read anew what is mended;
        one that is at it starts over, and needs no revision for that.

        Args:
            assembled: What has arrived.
            summaries: By Series Instance UID, what selection saw; kept for the admin.
            plan: One entry a model.
        """
        digest, sender = digest_of(assembled), assembled.calling_ae_title
        with self.writing() as session:
            study = _locked_study(session, assembled.study_instance_uid) or _new_study(session, assembled)
            study.receiving = False
            study.last_received_at = assembled.last_received_at
            study.images_removed_at = None  # there are images again, for retention to look at
            latest = latest_revision(session, study)
            same = latest is not None and latest.files_digest == digest
            if latest is not None and same and not assembled.mended:
                return latest.number
            decided = [(planned, decide(session, study, planned)) for planned in plan]
            for planned, decision in decided:
                start_over(session, planned, decision, self.clock.read())
            if latest is not None and same and all(decision.state is None for _, decision in decided):
                return latest.number
            revision = add_revision(session, study, latest, assembled, summaries, event="study complete")
            for planned, decision in decided:
                plan_job(session, study, revision, planned, decision, self.clock.read(), sender=sender)
            return revision.number

    def series_complete(
        self, assembled: AssembledStudy, summaries: Mapping[str, dict[str, Any]], plan: Iterable[Planned]
    ) -> int | None:
        """Record an early revision with the jobs that need not wait for the rest of the study; return its number.

        None, and nothing is recorded, where it would bring no job. What cannot be read yet, and what has been read
        before, is left to the revision of the whole study: by then more is known of which series is the right one.
        """
        sender = assembled.calling_ae_title
        with self.writing() as session:
            study = _locked_study(session, assembled.study_instance_uid)
            study = study or _new_study(session, assembled, receiving=True)
            decided = [(planned, decide(session, study, planned)) for planned in plan]
            fresh = [(planned, decision) for planned, decision in decided if decision.early]
            if not fresh:
                return None
            latest = latest_revision(session, study)
            revision = add_revision(session, study, latest, assembled, summaries, event="series complete")
            for planned, decision in fresh:
                plan_job(session, study, revision, planned, decision, self.clock.read(), sender=sender)
            return revision.number

    def made_here(self, sop_instance_uids: Sequence[str]) -> frozenset[str]:
        """Return those of the SOP Instance UIDs that are results of this ledger."""
        found: set[str] = set()
        with self.reading() as session:
            for first in range(0, len(sop_instance_uids), _UIDS_A_QUERY):
                some = sop_instance_uids[first : first + _UIDS_A_QUERY]
                query = select(ResultObject.sop_instance_uid).where(ResultObject.sop_instance_uid.in_(some))
                found.update(session.scalars(query))
        return frozenset(found)

    def known_models(self) -> list[tuple[str, str]]:
        """Return id and version of every model that a job was ever recorded for."""
        with self.reading() as session:
            return [(model_id, version) for model_id, version in session.execute(select(Model.model_id, Model.version))]


def _locked_study(session: Session, study_instance_uid: str) -> Study | None:
    """Return a study for this transaction alone; where there is none, nobody else adds it meanwhile."""
    query = select(Study.id).where(Study.study_instance_uid == study_instance_uid).with_for_update(**LOCK)
    study_id = session.scalar(query)
    if study_id is None:
        lock_name(session, f"study {study_instance_uid}")
        study_id = session.scalar(query)
    return None if study_id is None else readable(session, Study, study_id)


def _new_study(session: Session, assembled: AssembledStudy, *, receiving: bool = False) -> Study:
    study = Study(
        study_instance_uid=assembled.study_instance_uid,
        folder=assembled.folder,
        calling_ae_title=assembled.calling_ae_title,
        receiving=receiving,
        first_received_at=assembled.first_received_at,
        last_received_at=assembled.last_received_at,
    )
    session.add(study)
    session.flush()
    return study


def _note_peer(session: Session, instance: StoredInstance) -> None:
    if not instance.calling_ae_title:
        return
    query = select(Peer).where(Peer.ae_title == instance.calling_ae_title)
    if session.scalar(query) is None:
        lock_name(session, f"peer {instance.calling_ae_title}")
    peer = session.scalar(query.with_for_update(**LOCK))
    if peer is None:
        peer = Peer(ae_title=instance.calling_ae_title)
        session.add(peer)
    peer.address, peer.last_seen_at = instance.sender_address, instance.received_at
