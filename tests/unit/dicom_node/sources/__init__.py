"""Tests of `dicom_node.sources.sources`."""
