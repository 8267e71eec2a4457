"""Tests of `dicom_node.archives`."""
