"""Tests of `dicom_node.messages`."""
