"""Tests of `worker.selecting`."""
