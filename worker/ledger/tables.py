"""The ledger's tables. The truth for everything after the spool; `migrations/` makes them.

Nothing here is peculiar to one database. There is no row an instance: a series carries its manifest.
Dates are wall clock in UTC, for people. Waiting is measured on the ledger's own clock (`worker.ledger.clock`), whose
readings are only comparable under the same ``clock`` mark.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from worker.ledger.column_types import JsonList, JsonObject, Prose, UtcDateTime, Words
from worker.selecting.other_series import OtherSeries

UID = String(64)

#: Behind everything of its sender: the rank of a job that somebody queued who knows of no ranks.
UNRANKED_S = 253402300800.0

#: Why a job is skipped of which an addendum is still to be written.
ADDENDUM = "later images came; this model's card asks for an addendum instead of another read"
#: In SQL, without parameters: a database uses an index of some rows only where it sees that others are not asked for.
IS_ADDENDUM = "state = 'skipped' AND reason = '{}'".format(ADDENDUM.replace("'", "''"))


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JsonObject, list[str]: JsonList}  # noqa: RUF012  # read by SQLAlchemy


class Study(Base):
    """A study that sent us at least one image. Its state is derived from its jobs."""

    __tablename__ = "study"
    __table_args__ = (
        Index("study_to_clear", "images_removed_at", "last_received_at"),
        Index("study_by_folder", "folder"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, unique=True)
    folder: Mapped[str] = mapped_column(String(64))
    calling_ae_title: Mapped[str] = mapped_column(Words(16))
    receiving: Mapped[bool]
    #: What an admin has said of it: its jobs of later revisions have it too.
    priority: Mapped[int | None]
    first_received_at: Mapped[datetime]
    last_received_at: Mapped[datetime]
    #: By retention; None again as soon as images come again.
    images_removed_at: Mapped[datetime | None]
    results_removed_at: Mapped[datetime | None]


class Revision(Base):
    """A study at the moment it was taken to be complete; later images make another one."""

    __tablename__ = "revision"
    __table_args__ = (Index("revision_of_study", "study_id", "number", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    number: Mapped[int]
    completion: Mapped[str] = mapped_column(String(32))
    files_digest: Mapped[str] = mapped_column(String(64))
    last_received_at: Mapped[datetime]
    closed_at: Mapped[datetime]


class Series(Base):
    """A series of a revision, with the manifest of its files."""

    __tablename__ = "series"
    id: Mapped[int] = mapped_column(primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"), index=True)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    manifest: Mapped[list[str]]
    summary: Mapped[dict[str, Any]]


class Model(Base):
    """A model as it was when a job was queued for it, by digest of its files."""

    __tablename__ = "model"
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    model_id: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(16))


class Job(Base):
    """One model's read of one revision, or the reason why there is none."""

    __tablename__ = "job"
    __table_args__ = (
        Index("job_to_claim", "state", "queue", "sender", "rank_s", "id"),
        Index("job_by_age", "state", "queued_at"),
        Index("job_of_revision", "revision_id", "model_digest", unique=True),
        Index("job_by_superseded", "supersedes_job_id"),
        Index("job_addendum", "state", "id", sqlite_where=text(IS_ADDENDUM), postgresql_where=text(IS_ADDENDUM)),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id"))
    model_digest: Mapped[str] = mapped_column(ForeignKey("model.digest"))
    queue: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int]
    #: AE title of who sent the study; senders take turns.
    sender: Mapped[str] = mapped_column(Words(16), default="")
    #: Where it stands among those of its sender (`worker.jobs.turn`); seconds, lower runs first.
    rank_s: Mapped[float] = mapped_column(Float, default=UNRANKED_S)
    #: The state from which an admin holds it; empty where it is held for another reason, or not.
    held_from: Mapped[str] = mapped_column(String(16), default="")
    input_key: Mapped[str] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str] = mapped_column(Words(128), default="")
    clock: Mapped[str] = mapped_column(String(64), default="")
    lease_until_s: Mapped[float] = mapped_column(Float, default=0.0)
    not_before_s: Mapped[float] = mapped_column(Float, default=0.0)
    reason: Mapped[str] = mapped_column(Prose(), default="")
    runtime: Mapped[str] = mapped_column(Words(128), default="")
    inputs_digest: Mapped[str] = mapped_column(String(64), default="")
    recipe_digest: Mapped[str] = mapped_column(String(64), default="")
    #: By an admin, of a job that was held: that its results belong to the study. The column has its first name.
    released: Mapped[bool] = mapped_column("identity_confirmed", default=False)
    supersedes_job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"))
    queued_at: Mapped[datetime]
    claimed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Turn(Base):
    """A sender in the turns of a queue."""

    __tablename__ = "turn"
    queue: Mapped[str] = mapped_column(String(40), primary_key=True)
    sender: Mapped[str] = mapped_column(Words(16), primary_key=True)
    #: Grows with each claim, over all senders: the lowest has waited longest for a turn.
    served: Mapped[int] = mapped_column(BigInteger)


class Hold(Base):
    """A queue from which nothing is claimed, or a destination to which nothing is sent, by an admin's wish."""

    __tablename__ = "hold"
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    since: Mapped[datetime]
    held_by: Mapped[str] = mapped_column(Words(64))


class JobInput(Base):
    """A series, or a part of one, that a job reads."""

    __tablename__ = "job_input"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), index=True)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    files: Mapped[list[str]]
    other_series: Mapped[int] = mapped_column(default=0)
    other_images: Mapped[int] = mapped_column(default=0)
    left_out: Mapped[int] = mapped_column(default=0)

    @property
    def others(self) -> OtherSeries:
        """What the study has beside what is read."""
        return OtherSeries(series=self.other_series, images=self.other_images, left_out=self.left_out)

    @others.setter
    def others(self, others: OtherSeries) -> None:
        self.other_series, self.other_images, self.left_out = others.series, others.images, others.left_out


class ResultObject(Base):
    """An encoded result: these bytes and no others are ever sent."""

    __tablename__ = "result_object"
    __table_args__ = (Index("result_of_job", "job_id", "sop_instance_uid", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    kind: Mapped[str] = mapped_column(String(16))
    sop_class_uid: Mapped[str] = mapped_column(UID)
    sop_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    file: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    #: Of the job, when it was read so the last time: what an earlier end of it had made has a lower one.
    fence: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]


class Delivery(Base):
    """An object on its way to a destination."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("delivery_of_object", "result_object_id", "destination", unique=True),
        Index("delivery_to_send", "state", "destination"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    result_object_id: Mapped[int] = mapped_column(ForeignKey("result_object.id"))
    destination: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    #: How many of the attempts have certainly left nothing there: nothing was sent, or the archive refused it.
    in_vain: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    clock: Mapped[str] = mapped_column(String(64), default="")
    lease_until_s: Mapped[float] = mapped_column(Float, default=0.0)
    not_before_s: Mapped[float] = mapped_column(Float, default=0.0)
    status: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(Prose(), default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def sendings(self) -> int:
        """How many attempts may have left it there; one that is not answered, or under way, may."""
        return self.attempts - self.in_vain


class Commitment(Base):
    """An object that its archive has taken and is to take responsibility for (PS3.4 J): when it is asked (again)."""

    __tablename__ = "commitment"
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"), primary_key=True)
    attempts: Mapped[int] = mapped_column(default=0)
    clock: Mapped[str] = mapped_column(String(64), default="")
    not_before_s: Mapped[float] = mapped_column(Float, default=0.0)
    created_at: Mapped[datetime]


class CommitmentRequest(Base):
    """An object that stood in a request for commitment; kept, since a report may come after the next request."""

    __tablename__ = "commitment_request"
    transaction_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"), primary_key=True, index=True)
    asked_at: Mapped[datetime]


class Withdrawal(Base):
    """An object of a superseded read that is to be deleted where it went, once the newer read has arrived there."""

    __tablename__ = "withdrawal"
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"), primary_key=True)
    #: The job that read later images.
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    clock: Mapped[str] = mapped_column(String(64), default="")
    not_before_s: Mapped[float] = mapped_column(Float, default=0.0)
    created_at: Mapped[datetime]


class DestinationState(Base):
    """Whether a destination answers, as the deliverer found it; no row: it has never failed."""

    __tablename__ = "destination_state"
    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    answering: Mapped[bool]
    reason: Mapped[str] = mapped_column(Prose(), default="")
    since: Mapped[datetime]


class Peer(Base):
    """Who has sent us studies."""

    __tablename__ = "peer"
    id: Mapped[int] = mapped_column(primary_key=True)
    ae_title: Mapped[str] = mapped_column(Words(16), unique=True)
    address: Mapped[str] = mapped_column(Words(64))
    last_seen_at: Mapped[datetime]


class Event(Base):
    """What happened, written in the same transaction as the change itself; the timeline shows it."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    study_id: Mapped[int | None] = mapped_column(ForeignKey("study.id"), index=True)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    detail: Mapped[dict[str, Any]]


class Outbox(Base):
    """A token that is to be published: "there is work in this queue"."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_to_publish", "published", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    queue: Mapped[str] = mapped_column(String(40))
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), index=True)
    published: Mapped[bool] = mapped_column(default=False)
    clock: Mapped[str] = mapped_column(String(64), default="")
    published_s: Mapped[float] = mapped_column(Float, default=0.0)


class JobPatient(Base):
    """Whose study a job reads, as keyed digests (`worker.jobs.patient_key`): no patient's value is here in clear."""

    __tablename__ = "job_patient"
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True)
    id_key: Mapped[str] = mapped_column(String(64), index=True)
    #: Empty where the source names no issuer.
    issuer_key: Mapped[str] = mapped_column(String(64))
    person_key: Mapped[str] = mapped_column(String(64))
    #: Study Date and Time, YYYYMMDDHHMMSS.FFFFFF, as far as the source says them.
    studied_at: Mapped[str] = mapped_column(String(24))


class Deadline(Base):
    """Until when a job should be read, where its model's card says so."""

    __tablename__ = "deadline"
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"), primary_key=True)
    within_s: Mapped[float] = mapped_column(Float)
    clock: Mapped[str] = mapped_column(String(64))
    until_s: Mapped[float] = mapped_column(Float)
    #: Whether it has passed before the read. None: not decided yet. The result says what is decided here.
    passed: Mapped[bool | None] = mapped_column(index=True)


class Notification(Base):
    """Something that somebody must hear of at once; no patient data, those are read from the spool when it is sent."""

    __tablename__ = "notification"
    __table_args__ = (Index("notification_of_job", "job_id", "topic", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(String(20), unique=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id"))
    topic: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16), index=True)
    detail: Mapped[dict[str, Any]]
    step: Mapped[int] = mapped_column(default=0)
    clock: Mapped[str] = mapped_column(String(64), default="")
    step_since_s: Mapped[float] = mapped_column(Float, default=0.0)
    created_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str] = mapped_column(String(64), default="")


class Notice(Base):
    """A notification on its way through one channel."""

    __tablename__ = "notice"
    __table_args__ = (
        Index("notice_of_notification", "notification_id", "channel", unique=True),
        Index("notice_to_send", "state", "channel"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    notification_id: Mapped[int] = mapped_column(ForeignKey("notification.id"))
    channel: Mapped[str] = mapped_column(String(32))
    step: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    clock: Mapped[str] = mapped_column(String(64), default="")
    lease_until_s: Mapped[float] = mapped_column(Float, default=0.0)
    not_before_s: Mapped[float] = mapped_column(Float, default=0.0)
    reason: Mapped[str] = mapped_column(Prose(), default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class Compatibility(Base):
    """Which versions of wetread can work with these tables; one row."""

    __tablename__ = "compatibility"
    id: Mapped[int] = mapped_column(primary_key=True)
    oldest_version: Mapped[str] = mapped_column(String(32))
