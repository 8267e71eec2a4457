"""Tests of `worker.queueing`."""
