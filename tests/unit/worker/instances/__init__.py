"""Tests of `worker.instances`."""
