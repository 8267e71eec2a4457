"""Tests of `worker.notifying.notifying`."""
