"""Tests of `worker.priors.priors`."""
