"""Tests of `ops.reference`."""
