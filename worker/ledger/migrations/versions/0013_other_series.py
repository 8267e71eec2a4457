"""How much of a study fits a model as well as what its job reads."""

from alembic import op
import sqlalchemy as sa


revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:

    for name in ("other_series", "other_images"):
        op.add_column("job_input", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:

    for name in ("other_images", "other_series"):
        op.drop_column("job_input", name)
