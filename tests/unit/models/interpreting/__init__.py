"""Tests of `models.interpreting`."""
