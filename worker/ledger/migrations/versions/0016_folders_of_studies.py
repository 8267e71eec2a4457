"""An index of the folders of studies: at its start the node asks for what is recorded of each folder in the spool."""

from alembic import op


revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_index("study_by_folder", "study", ["folder"], unique=False)


def downgrade() -> None:

    op.drop_index("study_by_folder", table_name="study")
