"""How many attempts to deliver an object have certainly left nothing there."""

from alembic import op
import sqlalchemy as sa


revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.add_column("delivery", sa.Column("in_vain", sa.Integer(), nullable=False, server_default="0"))
    # What an archive has refused is not there; of other attempts nobody has noted whether anything was sent.
    op.execute(
        "UPDATE delivery SET in_vain = attempts "
        "WHERE state = 'refused' OR (state IN ('replaced', 'waived') AND status <> 0 "
        # Taken all the same, with a warning or as a duplicate.
        "AND status NOT IN (1, 263, 273, 278) AND status NOT BETWEEN 45056 AND 49151)"
    )


def downgrade() -> None:

    op.drop_column("delivery", "in_vain")
