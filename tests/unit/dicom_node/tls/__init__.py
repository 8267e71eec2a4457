"""Tests of `dicom_node.tls.tls_profile`."""
