"""How urgent a job is by now, turns between senders, and what an admin holds."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from alembic import op
import sqlalchemy as sa


revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

#: As `worker.jobs.turn` had it when this was written; every job before was ROUTINE, but for those of critical reads.
_MOVED_S = {0: -2592000.0, 1: -86400.0, 2: 0.0, 3: 1209600.0}


def upgrade() -> None:

    op.add_column("study", sa.Column("priority", sa.Integer(), nullable=True))
    op.add_column("job", sa.Column("sender", sa.String(length=16), nullable=False, server_default=""))
    # A node of the version before may go on for a while: what it queues stands behind what else its sender has, and
    # is as urgent as it was given.
    op.add_column("job", sa.Column("rank_s", sa.Float(), nullable=False, server_default="253402300800"))
    op.add_column("job", sa.Column("held_from", sa.String(length=16), nullable=False, server_default=""))
    op.create_table(
        "turn",
        sa.Column("queue", sa.String(length=40), nullable=False),
        sa.Column("sender", sa.String(length=16), nullable=False),
        sa.Column("served", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "sender"),
    )
    op.create_table(
        "hold",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name"),
    )
    _fill()
    op.drop_index("job_to_claim", table_name="job")
    op.create_index("job_to_claim", "job", ["state", "queue", "sender", "rank_s", "id"], unique=False)
    op.create_index("job_by_age", "job", ["state", "queued_at"], unique=False)


def _fill() -> None:
    """Let the jobs that are there know their sender and their rank, and their senders take turns."""
    connection = op.get_bind()
    study = sa.table("study", sa.column("id"), sa.column("calling_ae_title"))
    revision = sa.table("revision", sa.column("id"), sa.column("study_id"))
    job = sa.table(
        "job",
        *(sa.column(name) for name in ("id", "revision_id", "queue", "state", "sender", "rank_s", "priority")),
        sa.column("queued_at", sa.DateTime(timezone=True)),
    )
    turn = sa.table("turn", sa.column("queue"), sa.column("sender"), sa.column("served"))
    sender = (
        sa.select(study.c.calling_ae_title)
        .join(revision, revision.c.study_id == study.c.id)
        .where(revision.c.id == job.c.revision_id)
        .scalar_subquery()
    )
    connection.execute(sa.update(job).values(sender=sender))
    ranks = list(_ranks(connection.execute(sa.select(job.c.id, job.c.priority, job.c.queued_at))))
    if ranks:
        connection.execute(
            sa.update(job).where(job.c.id == sa.bindparam("of")).values(rank_s=sa.bindparam("rank")), ranks
        )
    known = sa.union(sa.select(job.c.queue, job.c.sender), sa.select(job.c.queue, sa.literal("")))
    lines = known.subquery()
    connection.execute(
        sa.insert(turn).from_select(["queue", "sender", "served"], sa.select(lines, sa.literal(0)))
    )


def _ranks(rows: Any) -> Iterator[dict[str, float]]:
    for row in rows:
        queued_at: datetime = row.queued_at
        if queued_at.tzinfo is None:  # SQLite forgets the zone
            queued_at = queued_at.replace(tzinfo=UTC)
        yield {"of": row.id, "rank": queued_at.timestamp() + _MOVED_S.get(row.priority, 0.0)}


def downgrade() -> None:

    op.drop_index("job_by_age", table_name="job")
    op.drop_index("job_to_claim", table_name="job")
    op.create_index("job_to_claim", "job", ["state", "queue", "priority", "queued_at"], unique=False)
    op.drop_table("hold")
    op.drop_table("turn")
    op.drop_column("job", "held_from")
    op.drop_column("job", "rank_s")
    op.drop_column("job", "sender")
    op.drop_column("study", "priority")
