"""An index of the few jobs that were skipped for an addendum, among the many that were skipped for another reason."""

from alembic import op
import sqlalchemy as sa


revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_WHERE = (
    "state = 'skipped' AND reason = 'later images came; this model''s card asks for an addendum instead of another read'"
)


def upgrade() -> None:

    op.create_index(
        "job_addendum", "job", ["state", "id"], unique=False, sqlite_where=sa.text(_WHERE), postgresql_where=sa.text(_WHERE)
    )


def downgrade() -> None:

    op.drop_index("job_addendum", table_name="job")
