"""Tests of `dicom_node.datasets`."""
