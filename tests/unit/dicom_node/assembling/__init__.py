"""Tests of `dicom_node.assembling`."""
