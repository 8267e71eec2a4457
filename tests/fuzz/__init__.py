"""Streams and instances that are wrong in many ways at once, made from a seed: `make fuzz`. In reading order:

wire_grammar       what a stream is made of: items of an association request, commands, values, PDUs
mutations          what can be done to anything
request_mutations  ways for an association request to be wrong
wire_mutations     ways for messages to be wrong, a table for each level of the grammar
service_messages   requests of the services beside storage
wire_case          seed and number of a case: its bytes, in steps
wire_run           cases, many at a time, over real sockets; what came back
handshake_case     a TLS handshake that begins wrong; handshake_run, many of them
wire_proof         a node process under them, and that it is as it was before
instance_mutations ways for a dataset to be wrong
instance_case      seed and number of a case: a dataset, and what its request says of it
instance_proof     a dataset given to all that looks into it when it arrives; what may come of it
__main__           the command line: many cases, or one again
"""
