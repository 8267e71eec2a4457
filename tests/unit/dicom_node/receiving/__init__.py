"""Tests of `dicom_node.receiving`."""
