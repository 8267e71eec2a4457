"""Tests of `worker.series`."""
