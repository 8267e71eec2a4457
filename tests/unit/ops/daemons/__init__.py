"""Tests of `ops.daemons`."""
