"""Tests of `worker.ledger.ledger`."""
