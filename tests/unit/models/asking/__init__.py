"""Tests of `models.asking`."""
