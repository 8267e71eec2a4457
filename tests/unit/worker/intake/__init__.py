"""Tests of `worker.intake.intake`."""
