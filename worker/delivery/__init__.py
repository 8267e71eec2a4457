"""Results to their destinations. In reading order:

destination_settings    what a site may say about one
delivery                the loop of one destination; circuit_breaker, when it gets nothing; delivery_witness, who hears
destination             by its protocol; batch_sender, what goes at once (delivery_attempt); reencoded_copy
delivery_answers        what its answers mean
identity_check          whose study it is by now
committing              storage commitment
"""
