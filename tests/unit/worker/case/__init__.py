"""Tests of `worker.case.case`."""
