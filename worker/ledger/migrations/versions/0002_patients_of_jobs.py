"""Whose study a job reads, as keyed digests, so that an earlier read of the same patient can be found."""

from alembic import op
import sqlalchemy as sa


revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "job_patient",
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("id_key", sa.String(length=64), nullable=False),
        sa.Column("issuer_key", sa.String(length=64), nullable=False),
        sa.Column("person_key", sa.String(length=64), nullable=False),
        sa.Column("studied_at", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["job.id"],
        ),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_index(op.f("ix_job_patient_id_key"), "job_patient", ["id_key"], unique=False)


def downgrade() -> None:

    op.drop_index(op.f("ix_job_patient_id_key"), table_name="job_patient")
    op.drop_table("job_patient")
