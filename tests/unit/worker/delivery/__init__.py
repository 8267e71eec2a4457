"""Tests of `worker.delivery.delivery`."""
