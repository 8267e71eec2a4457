"""Tests of `models.programs`."""
