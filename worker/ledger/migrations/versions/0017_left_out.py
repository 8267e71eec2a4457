"""How many images of the series that a job reads its model's card leaves out."""

from alembic import op
import sqlalchemy as sa


revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.add_column("job_input", sa.Column("left_out", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:

    op.drop_column("job_input", "left_out")
