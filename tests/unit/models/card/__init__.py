"""Tests of `models.card`."""
