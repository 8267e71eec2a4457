"""Connections that are encrypted. In reading order:

tls_profile         BCP 195; certificate_file, until when one is good
tls_door            handshakes with a deadline; handshake_failures, why they fail
"""
