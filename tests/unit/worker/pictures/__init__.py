"""Tests of `worker.pictures`."""
