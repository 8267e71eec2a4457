"""The C-STORE path, from the socket to the spool. In reading order:

pynetdicom_seam  where it sits inside pynetdicom's association; reading, what that asks of the node
wire             PDUs read with deadlines
store_receiver   fragments in, responses out
store_scp        one C-STORE: from the request to the status
"""
