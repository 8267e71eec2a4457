"""Tests of `dicom_node.commitments`."""
