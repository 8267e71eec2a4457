"""The ledger's migrations, run by `worker.ledger.versions.migrate` whenever a ledger is opened."""
