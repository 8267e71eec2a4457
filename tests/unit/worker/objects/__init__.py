"""Tests of `worker.objects`."""
