"""Tests of `dicom_node.pulling.pulling`."""
