"""Tests of `models.preparing`."""
