"""The ledger's middle: jobs are claimed, renewed, read, failed, handed back and freed."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from worker.errors import IllegalTransition, LeaseLost, LedgerDamaged, UnknownJob
from worker.jobs.job import RETRYABLE, JobState, Priority, require_job, state_after_failure
from worker.jobs.job_records import Claim, ModelVersion, ResultFile
from worker.jobs.notification_records import CriticalRead, for_ledger
from worker.jobs.routing import by_destination
from worker.jobs.superseded_read import Standing
from worker.ledger.admin_actions import AN_ADMIN, record_admin_action
from worker.ledger.clock import Reading
from worker.ledger.damage import damage_told, put_aside, put_aside_stateless, require_numbers, require_texts
from worker.ledger.database import LOCK, Database, utc_now
from worker.ledger.job_states import change_job, queue_again, queue_token, study_of
from worker.ledger.notifications import record_notification, take_back
from worker.ledger.planning import known_model
from worker.ledger.results import add_results
from worker.ledger.superseded import take_place
from worker.ledger.tables import Job, JobInput, Model, Revision, Study
from worker.ledger.turns import TRIES, next_job
from worker.ledger.waits import is_over
from worker.object_kinds import wants


class JobLedger(Database):
    """Jobs. Whoever writes about a claimed job shows the fence of the claim."""

    def claim(self, queues: Sequence[str], *, worker: str, lease_s: float) -> Claim | None:
        """Claim the job of these queues whose turn it is (`worker.jobs.turn`); None where nothing can be claimed.

        One that is damaged is held, and the next is claimed.
        """
        now = self.clock.read()
        with self.writing() as session:
            found = _next_whole(session, queues, now)
            if found is None:
                return None
            job, study, model, source = found
            job.attempts += 1
            job.fence += 1
            job.lease_owner = worker
            job.clock, job.lease_until_s = now.mark, now.seconds + lease_s
            job.claimed_at = utc_now()
            job.inputs_digest = ""  # of a read before
            change_job(session, job, JobState.CLAIMED, study_id=study.id, attempt=job.attempts, worker=worker)
            return Claim(
                job_id=job.id,
                fence=job.fence,
                attempt=job.attempts,
                study_instance_uid=study.study_instance_uid,
                study_folder=study.folder,
                series_instance_uid=source.series_instance_uid,
                files=tuple(source.files),
                model_id=model.model_id,
                model_digest=model.digest,
                queued_at=job.queued_at,
                calling_ae_title=study.calling_ae_title,
                others=source.others,
            )

    def renew(self, claim: Claim, *, lease_s: float) -> None:
        """Renew the lease. Raises LeaseLost when somebody else holds the job by now."""
        now = self.clock.read()
        with self.writing() as session:
            job = _held(session, claim)
            job.clock, job.lease_until_s = now.mark, now.seconds + lease_s

    def note_inputs(self, claim: Claim, inputs_digest: str) -> None:
        """Note what the job has read of the spool; a file that is mended from now on may have it start over.

        Raises LeaseLost when somebody else holds the job by now.
        """
        with self.writing() as session:
            _held(session, claim).inputs_digest = inputs_digest

    def finish(
        self,
        claim: Claim,
        *,
        results: Iterable[ResultFile],
        destinations: Mapping[str, Collection[str]],
        runtime: str,
        inputs_digest: str,
        recipe_digest: str,
        notes: Sequence[str] = (),
        critical: CriticalRead | None = None,
        withdraw_from: Collection[str] = (),
        standing: Standing | None = None,
    ) -> None:
        """Record the results and a delivery of each to every destination that wants its kind; the job is *read*.

        A critical read goes out before everything else, and the same transaction records that somebody must hear of it.
        Objects that this read takes the place of are to be deleted at the destinations of `withdraw_from`.
        Raises LeaseLost when somebody else holds the job by now, and StandingChanged when more stands than what the
        results name of `standing`: nothing is recorded then.
        """
        with self.writing() as session:
            job = _held(session, claim)
            study = study_of(session, job)
            job.runtime, job.inputs_digest, job.recipe_digest = runtime, inputs_digest, recipe_digest
            job.finished_at = utc_now()
            results = list(results)
            made = {result.kind for result in results}
            wanting = {
                result.sop_instance_uid: [
                    name for name, kinds in destinations.items() if wants(kinds, result.kind, made)
                ]
                for result in results
            }
            goes_to = by_destination((result.kind, wanting[result.sop_instance_uid]) for result in results)
            change_job(
                session, job, JobState.READ, study_id=study.id, runtime=runtime, notes=list(notes), goes_to=goes_to
            )
            _supersede_earlier(session, job, study)
            study.results_removed_at = None  # there are results again, for retention to look at
            take_place(session, job, study, kept=set(wanting), withdraw_from=withdraw_from, known=standing)
            add_results(session, job, [(result, wanting[result.sop_instance_uid]) for result in results])
            if critical is not None:
                job.priority = Priority.STAT
                reasons = for_ledger(critical.reasons)
                record_notification(session, job, "critical", reasons=reasons, research=critical.research)
            else:
                take_back(session, job, "the job was read again, and is not critical")

    def fail(self, claim: Claim, *, reason: str, max_attempts: int, retry_delay_s: float, permanent: bool) -> JobState:
        """Record that this attempt failed: the job waits for its next, or is *failed* with the reason."""
        with self.writing() as session:
            job = _held(session, claim)
            return self._attempt_failed(session, job, reason, max_attempts, retry_delay_s, permanent=permanent)

    def hold_unread(self, claim: Claim, *, reason: str) -> None:
        """Hold a job that nobody has read: an admin must say something first. The reason names no patient."""
        with self.writing() as session:
            job = _held(session, claim)
            change_job(session, job, JobState.HELD, study_id=study_of(session, job).id, reason=reason)

    def hand_back(self, claim: Claim, *, reason: str) -> None:
        """Queue the job again without counting the attempt: a drain or a stop is not the study's fault."""
        with self.writing() as session:
            job = _held(session, claim)
            job.attempts -= 1
            queue_again(session, job, self.clock.read(), reason=reason, wait_s=0.0)

    def free_expired(self, *, max_attempts: int, retry_delay_s: float) -> int:
        """Take back the jobs whose lease ran out; a lease that ran out counts as an attempt. Return how many.

        What is in a state that is none is held.
        """
        now = self.clock.read()
        with self.writing() as session:
            expired = session.scalars(
                select(Job.id)
                .where(
                    Job.state == JobState.CLAIMED,
                    is_over(Job, Job.lease_until_s, now),
                )
                .with_for_update(skip_locked=True, **LOCK)
            ).all()
            for job_id in expired:
                try:
                    with session.begin_nested(), damage_told():
                        job = session.get_one(Job, job_id)
                        require_numbers(job.attempts, job.fence)
                        require_texts(job.queue, job.sender)
                        reason = f"the lease of {job.lease_owner} ran out: the worker died or hangs"
                        self._attempt_failed(session, job, reason, max_attempts, retry_delay_s, permanent=False)
                except LedgerDamaged as damage:
                    put_aside(session, job_id, JobState.CLAIMED, damage)
            return len(expired) + put_aside_stateless(session)

    def retry(self, job_id: int, *, model: ModelVersion | None = None, by: str = AN_ADMIN) -> None:
        """Queue a job again by an admin's wish, with all its attempts.

        Args:
            job_id: Of the ledger.
            model: The version that is to read now; left out, the one that the job was queued with.
            by: Whose wish it is.

        Raises UnknownJob, IllegalTransition.
        """
        with self.writing() as session:
            job = _retryable(session, job_id)
            if model is not None:
                job.model_digest = known_model(session, model)
            job.attempts = 0
            queue_again(session, job, self.clock.read(), reason=f"asked for by {by}", wait_s=0.0)
            record_admin_action(session, "retry", by=by, study_id=study_of(session, job).id, job_id=job_id)

    def require_retryable(self, job_id: int) -> None:
        """Raise UnknownJob or IllegalTransition where a job cannot be queued again, whatever model is to read it."""
        with self.writing() as session:
            _retryable(session, job_id)

    def cancel(self, job_id: int, *, by: str = AN_ADMIN) -> None:
        """Cancel a job by an admin's wish. Raises UnknownJob, IllegalTransition."""
        with self.writing() as session:
            job, study_id = known_job(session, job_id), study_of(session, known_job(session, job_id)).id
            job.fence += 1
            change_job(session, job, JobState.CANCELLED, study_id=study_id, reason=f"asked for by {by}")
            record_admin_action(session, "cancel", by=by, study_id=study_id, job_id=job_id)

    def _attempt_failed(
        self, session: Session, job: Job, reason: str, max_attempts: int, retry_delay_s: float, *, permanent: bool
    ) -> JobState:
        state = state_after_failure(job.attempts, max_attempts, permanent=permanent)
        if state is JobState.QUEUED:
            queue_again(session, job, self.clock.read(), reason=reason, wait_s=retry_delay_s)
        else:
            job.finished_at = utc_now()
            change_job(session, job, state, study_id=study_of(session, job).id, reason=reason, attempts=job.attempts)
            queue_token(session, job)  # some worker is to tell the radiologist
        return state


def _next_whole(session: Session, queues: Sequence[str], now: Reading) -> tuple[Job, Study, Model, JobInput] | None:
    """Return the job whose turn it is, locked, with what it reads; those that lack something are put aside."""
    for _ in range(TRIES):
        job = next_job(session, queues, now)
        if job is None:
            return None
        try:
            with damage_told():
                require_numbers(job.attempts, job.fence)
                source = session.scalars(select(JobInput).where(JobInput.job_id == job.id)).one()
                return job, study_of(session, job), session.get_one(Model, job.model_digest), source
        except LedgerDamaged as damage:
            session.expunge(job)
            put_aside(session, job.id, JobState.QUEUED, damage)
    return None


def _supersede_earlier(session: Session, job: Job, study: Study) -> None:
    """Let this read take the place of the one that it was queued to replace, and of any other that still stands.

    The one that it was to replace may have failed in the meantime; then the read before that one still stands.
    """
    model_id = select(Model.model_id).where(Model.digest == job.model_digest).scalar_subquery()
    query = (
        select(Job)
        .join(Revision, Revision.id == Job.revision_id)
        .join(Model, Model.digest == Job.model_digest)
        .where(Revision.study_id == study.id, Model.model_id == model_id, Job.id < job.id)
        .where(Job.state != JobState.SUPERSEDED)
        .where(or_(Job.id == job.supersedes_job_id, Job.state == JobState.READ))
        .order_by(Job.id.desc())
        .with_for_update(of=Job, **LOCK)
    )
    for earlier in session.scalars(query).all():
        earlier.fence += 1
        change_job(session, earlier, JobState.SUPERSEDED, study_id=study.id, reason=f"job {job.id} read later images")
        take_back(session, earlier, f"job {job.id} read later images")


def known_job(session: Session, job_id: int) -> Job:
    """Return a job, locked. Raises UnknownJob."""
    job = session.get(Job, job_id, with_for_update=LOCK)
    if job is None:
        highest = session.scalar(select(func.max(Job.id))) or 0
        raise UnknownJob(f"there is no job {job_id} (the newest is {highest}); `wetread jobs` lists them")
    return job


def _retryable(session: Session, job_id: int) -> Job:
    job = known_job(session, job_id)
    if JobState(job.state) not in RETRYABLE:
        require_job(JobState(job.state), JobState.QUEUED)
    if refusal := why_not_retried(session, job):
        raise IllegalTransition(refusal)
    return job


def why_not_retried(session: Session, job: Job) -> str:
    """Say why reading a job again could only fail; empty where it may be tried."""
    if not session.scalars(select(JobInput.files).where(JobInput.job_id == job.id)).first():
        return f"job {job.id} has no images to read: {job.reason}"
    if study_of(session, job).images_removed_at is not None:
        return (
            f"the images of job {job.id} were removed by retention: `wetread pull` the study; unless it is then read "
            f"by itself, `wetread retry {job.id}` once more"
        )
    return ""


def _held(session: Session, claim: Claim) -> Job:
    job = session.get_one(Job, claim.job_id, with_for_update=LOCK)
    if job.state != JobState.CLAIMED or job.fence != claim.fence:
        raise LeaseLost(
            f"job {claim.job_id} is {job.state} under fence {job.fence}, this worker came with {claim.fence}: its "
            "lease ran out or an admin changed the job, so its results are not recorded"
        )
    return job
