"""Tests of `worker.hosting`."""
