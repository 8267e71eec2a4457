"""The clients that tell people; who is told what is decided in `worker.jobs.notification`. In reading order:

secret       a secret from its file or environment variable
cut_off      a limit for all of a conversation
webhook      an HTTP POST of JSON, signed
mail         an e-mail
hl7_message  an ORU^R01 as text, and what an ACK says; mllp sends it
channels     all of them from the settings
"""
