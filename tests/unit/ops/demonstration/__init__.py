"""Tests of `ops.demonstration`."""
