"""Deadlines of jobs, and notifications of what somebody must hear of."""

from alembic import op
import sqlalchemy as sa


revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "deadline",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("within_s", sa.Float(), nullable=False),
        sa.Column("clock", sa.String(length=64), nullable=False),
        sa.Column("until_s", sa.Float(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["job.id"],
        ),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index(op.f("ix_deadline_passed"), "deadline", ["passed"], unique=False)
    op.create_table(
        "notification",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=20), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("clock", sa.String(length=64), nullable=False),
        sa.Column("step_since_s", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["job.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("notification_of_job", "notification", ["job_id", "topic"], unique=True)
    op.create_index(op.f("ix_notification_state"), "notification", ["state"], unique=False)
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("notification_id", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("clock", sa.String(length=64), nullable=False),
        sa.Column("lease_until_s", sa.Float(), nullable=False),
        sa.Column("not_before_s", sa.Float(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notification.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("notice_of_notification", "notice", ["notification_id", "channel"], unique=True)
    op.create_index("notice_to_send", "notice", ["state", "channel"], unique=False)


def downgrade() -> None:

    op.drop_index("notice_to_send", table_name="notice")
    op.drop_index("notice_of_notification", table_name="notice")
    op.drop_table("notice")
    op.drop_index(op.f("ix_notification_state"), table_name="notification")
    op.drop_index("notification_of_job", table_name="notification")
    op.drop_table("notification")
    op.drop_index(op.f("ix_deadline_passed"), table_name="deadline")
    op.drop_table("deadline")
