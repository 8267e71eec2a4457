"""Tests of `dicom_node.processes`."""
