"""What is said on an association, as bytes. In reading order:

negotiation          requests for an association and their answers, made legible
pdata                P-DATA-TF: fragments
command_set          the command that comes before a dataset
services             requests other than C-STORE and C-ECHO, and their statuses
commitment_messages  storage commitment: what is asked and reported
"""
