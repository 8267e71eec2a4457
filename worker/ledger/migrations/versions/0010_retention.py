"""What retention has removed of a study."""

from alembic import op
import sqlalchemy as sa


revision = "0010"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.add_column("study", sa.Column("images_removed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("study", sa.Column("results_removed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("study_to_clear", "study", ["images_removed_at", "last_received_at"], unique=False)


def downgrade() -> None:

    op.drop_index("study_to_clear", table_name="study")
    op.drop_column("study", "results_removed_at")
    op.drop_column("study", "images_removed_at")
