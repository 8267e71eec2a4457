"""Indexes of what is looked for backwards: the study of a folder, and the job that supersedes one.

At its start the node asks for what is recorded of each folder in the spool; and where a job is removed the database
itself looks whether another one points to it.
"""

from alembic import op


revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_index("study_by_folder", "study", ["folder"], unique=False)
    op.create_index("job_by_superseded", "job", ["supersedes_job_id"], unique=False)


def downgrade() -> None:

    op.drop_index("job_by_superseded", table_name="job")
    op.drop_index("study_by_folder", table_name="study")
