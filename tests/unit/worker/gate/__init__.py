"""Tests of `worker.gate`."""
