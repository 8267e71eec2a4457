"""Tests of `models.proving`."""
