"""Tests of `dicom_node.spooling`."""
