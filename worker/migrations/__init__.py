"""The ledger's migrations, run by `worker.ledger_database.migrate` whenever a ledger is opened."""
