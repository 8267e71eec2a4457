"""The ledger's middle: jobs are claimed, renewed, read, failed, handed back and freed."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.orm import Session

from worker.admin_actions import AN_ADMIN, record_admin_action
from worker.errors import IllegalTransition, LeaseLost, LedgerDamaged, UnknownJob
from worker.job import (
    RETRYABLE,
    Claim,
    DeliveryState,
    JobState,
    ModelVersion,
    Priority,
    ResultFile,
    require_job,
    state_after_failure,
)
from worker.ledger_clock import Reading
from worker.ledger_damage import damage_told, put_aside, require_numbers
from worker.ledger_database import LOCK, Database, utc_now
from worker.ledger_deadlines import reopen_deadline
from worker.ledger_intake import change_job, known_model, queue_token
from worker.ledger_notifications import record_notification
from worker.ledger_superseded import made_again, take_place
from worker.ledger_turns import TRIES, held, next_job, stand_in_line
from worker.notification import CriticalRead, for_ledger
from worker.object_kinds import wants
from worker.routing import by_destination
from worker.superseded_read import Standing
from worker.tables import Delivery, Job, JobInput, Model, Outbox, ResultObject, Revision, Study, Turn

#: So many tokens are made anew at once, where a broker was flushed or a queue resumed.
_TOKENS = 500


class JobLedger(Database):
    """Jobs. Whoever writes about a claimed job shows the fence of the claim."""

    def claim(self, queues: Sequence[str], *, worker: str, lease_s: float) -> Claim | None:
        """Claim the job of these queues whose turn it is (`worker.turn`); None where nothing can be claimed.

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
            for result in results:
                add_result(session, job, result, wanting[result.sop_instance_uid])
            if critical is not None:
                job.priority = Priority.STAT
                reasons = for_ledger(critical.reasons)
                record_notification(session, job, "critical", reasons=reasons, research=critical.research)

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
        """Take back the jobs whose lease ran out; a lease that ran out counts as an attempt. Return how many."""
        now = self.clock.read()
        with self.writing() as session:
            expired = session.scalars(
                select(Job.id)
                .where(
                    Job.state == JobState.CLAIMED,
                    or_(Job.clock != now.mark, Job.lease_until_s < now.seconds),
                )
                .with_for_update(skip_locked=True, **LOCK)
            ).all()
            for job_id in expired:
                try:
                    with session.begin_nested(), damage_told():
                        job = session.get_one(Job, job_id)
                        require_numbers(job.attempts, job.fence)
                        reason = f"the lease of {job.lease_owner} ran out: the worker died or hangs"
                        self._attempt_failed(session, job, reason, max_attempts, retry_delay_s, permanent=False)
                except LedgerDamaged as damage:
                    put_aside(session, job_id, JobState.CLAIMED, damage)
            return len(expired)

    def retry(self, job_id: int, *, model: ModelVersion | None = None, by: str = AN_ADMIN) -> None:
        """Queue a job again by an admin's wish, with all its attempts.

        Args:
            job_id: Of the ledger.
            model: The version that is to read now; left out, the one that the job was queued with.
            by: Whose wish it is.

        Raises UnknownJob, IllegalTransition.
        """
        with self.writing() as session:
            job = known_job(session, job_id)
            if JobState(job.state) not in RETRYABLE:
                require_job(JobState(job.state), JobState.QUEUED)
            if refusal := why_not_retried(session, job):
                raise IllegalTransition(refusal)
            if model is not None:
                job.model_digest = known_model(session, model)
            job.attempts = 0
            queue_again(session, job, self.clock.read(), reason=f"asked for by {by}", wait_s=0.0)
            record_admin_action(session, "retry", by=by, study_id=study_of(session, job).id, job_id=job_id)

    def cancel(self, job_id: int, *, by: str = AN_ADMIN) -> None:
        """Cancel a job by an admin's wish. Raises UnknownJob, IllegalTransition."""
        with self.writing() as session:
            job, study_id = known_job(session, job_id), study_of(session, known_job(session, job_id)).id
            job.fence += 1
            change_job(session, job, JobState.CANCELLED, study_id=study_id, reason=f"asked for by {by}")
            record_admin_action(session, "cancel", by=by, study_id=study_id, job_id=job_id)

    def waiting_tokens(self, limit: int = 500) -> list[tuple[int, str, int]]:
        """Return (token id, queue, job id) of tokens that are to be published, oldest first."""
        with self.reading() as session:
            rows = session.execute(
                select(Outbox.id, Outbox.queue, Outbox.job_id)
                .where(Outbox.published.is_(False))
                .order_by(Outbox.id)
                .limit(limit)
            )
            return [(row.id, row.queue, row.job_id) for row in rows]

    def tokens_published(self, token_ids: Sequence[int]) -> None:
        """Note that these tokens were taken by the broker."""
        now = self.clock.read()
        with self.writing() as session:
            # Those that another transaction has locked are being replaced by new ones, or noted as published.
            tokens = select(Outbox.id).where(Outbox.id.in_(token_ids)).with_for_update(skip_locked=True)
            found = session.scalars(tokens).all()
            noted = {"published": True, "clock": now.mark, "published_s": now.seconds}
            session.execute(update(Outbox).where(Outbox.id.in_(found)).values(**noted))

    def requeue_silent(self, *, silent_s: float, busy: Collection[str] = ()) -> int:
        """Make new tokens for claimable jobs whose last ones have been out for longer than `silent_s`; return how many.

        The broker may have been flushed, or a token taken by a worker that died before it claimed. One token too
        many does no harm. Queues in which tokens wait (`busy`) need none, and those that an admin holds neither.
        """
        now = self.clock.read()
        claimable = and_(Job.state == JobState.QUEUED, or_(Job.clock != now.mark, Job.not_before_s <= now.seconds))
        with self.writing() as session:
            quiet = Job.queue.not_in({*busy, *held(session, "queue")})
            return renew_tokens(session, and_(claimable, quiet), now, silent_s)

    def queues(self) -> list[str]:
        """Return the queues in which anything has ever waited."""
        with self.reading() as session:
            return sorted(session.scalars(select(Turn.queue).distinct()))

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


def queue_again(session: Session, job: Job, now: Reading, *, reason: str, wait_s: float) -> None:
    """Queue a job that was queued before; whoever held it cannot write any more."""
    job.fence += 1
    reopen_deadline(session, job)
    job.lease_owner = ""
    job.released = False  # what an admin said was about the read before
    job.clock, job.not_before_s = now.mark, now.seconds + wait_s
    change_job(session, job, JobState.QUEUED, study_id=study_of(session, job).id, reason=reason)
    stand_in_line(session, job.queue, job.sender)
    # Its last token was used up; without one the reconciler makes another as soon as the wait is over.
    session.execute(delete(Outbox).where(Outbox.job_id == job.id))
    if wait_s == 0.0:
        queue_token(session, job)


def renew_tokens(session: Session, wanted: ColumnElement[bool], now: Reading, silent_s: float) -> int:
    """Make a new token for jobs that meet the condition and have had none for so long; return how many.

    The oldest few hundred only: a token does not say which job is claimed, and the next are made when these are used.
    """
    fresh = (
        select(Outbox.id)
        .where(
            Outbox.job_id == Job.id,
            or_(
                Outbox.published.is_(False),
                and_(Outbox.clock == now.mark, Outbox.published_s > now.seconds - silent_s),
            ),
        )
        .exists()
    )
    # Locked, so that none of them is claimed or changed between.
    silent = session.execute(
        select(Job.id, Job.queue, Job.sender)
        .where(wanted, ~fresh)
        .order_by(Job.id)
        .limit(_TOKENS)
        .with_for_update(of=Job, skip_locked=True, **LOCK)
    ).all()
    # A node of the version before, at work on the same ledger, queues jobs and knows nothing of turns.
    for queue, sender in {(job.queue, job.sender) for job in silent}:
        stand_in_line(session, queue, sender)
    if silent:
        session.execute(delete(Outbox).where(Outbox.job_id.in_([job.id for job in silent])))
        session.execute(insert(Outbox), [{"job_id": job.id, "queue": job.queue} for job in silent])
    return len(silent)


def add_result(session: Session, job: Job, result: ResultFile, destinations: Sequence[str]) -> None:
    """Record a result of a job and its deliveries; what is recorded already stays as it is.

    But for what was kept back when the job was read otherwise in between.
    """
    stored = session.scalar(
        select(ResultObject).where(
            ResultObject.job_id == job.id, ResultObject.sop_instance_uid == result.sop_instance_uid
        )
    )
    if stored is None:
        stored = ResultObject(
            job_id=job.id, created_at=utc_now(), **{key: getattr(result, key) for key in _RESULT_KEYS}
        )
        session.add(stored)
    else:
        made_again(session, stored, job, destinations)
    stored.fence = job.fence
    session.flush()
    add_deliveries(session, stored, destinations)


def add_deliveries(session: Session, stored: ResultObject, destinations: Sequence[str]) -> None:
    """Let a result wait for destinations; what waits, or went there, stays as it is."""
    now = utc_now()
    known = set(session.scalars(select(Delivery.destination).where(Delivery.result_object_id == stored.id)))
    for destination in destinations:
        if destination not in known:
            session.add(
                Delivery(
                    result_object_id=stored.id,
                    destination=destination,
                    state=DeliveryState.PENDING,
                    created_at=now,
                    updated_at=now,
                )
            )


_RESULT_KEYS = ("kind", "sop_class_uid", "sop_instance_uid", "series_instance_uid", "file", "sha256")


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


def known_job(session: Session, job_id: int) -> Job:
    """Return a job, locked. Raises UnknownJob."""
    job = session.get(Job, job_id, with_for_update=LOCK)
    if job is None:
        highest = session.scalar(select(func.max(Job.id))) or 0
        raise UnknownJob(f"there is no job {job_id} (the newest is {highest}); `wetread jobs` lists them")
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


def study_of(session: Session, job: Job) -> Study:
    """Return the study that a job reads."""
    return session.scalars(
        select(Study).join(Revision, Revision.study_id == Study.id).where(Revision.id == job.revision_id)
    ).one()
