"""Who may talk to us. In reading order:

association        the decision, a pure function
host_names         the addresses of their names; peer_certificate, whose certificate one shows
doorkeeper         who is in, over all receiving processes; crowd, how many connections
"""
