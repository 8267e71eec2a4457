"""Tests of `dicom_node.announcing`."""
