"""Alembic's entry: runs on the connection that `worker.ledger.versions` hands in."""

from alembic import context

from worker.ledger.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
