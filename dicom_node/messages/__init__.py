"""What is said on an association, as bytes. In reading order:

ae_titles            in a request for an association; pdata, P-DATA-TF: fragments
command_set          the command that comes before a dataset
services             requests other than C-STORE and C-ECHO, and their statuses
commitment_messages  storage commitment: what is asked and reported
"""
