"""Which results of a job are of one read of it."""

from alembic import op
import sqlalchemy as sa


revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.add_column("result_object", sa.Column("fence", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:

    op.drop_column("result_object", "fence")
