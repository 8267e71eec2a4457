"""Tests of `dicom_node.admitting`."""
