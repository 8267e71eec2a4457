"""Storage commitment. In reading order:

commitment_service     what a peer asks us, on its association; commitment_requests, what is open
promising              what is true: safekeeping, what is in the spool
commitment_reporter    reports on other associations, each a commitment_call
report_service         what an archive that we asked reports; report_recorder, into the ledger
"""
