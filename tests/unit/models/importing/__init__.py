"""Tests of `models.importing`."""
