"""Tests of `models.engines`."""
