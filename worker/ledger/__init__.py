"""The ledger's transactions. In reading order:

tables         its rows; column_types, how values stand in them; migrations/ makes them (versions)
database       what a transaction is: engine, SQLite or PostgreSQL (postgresql_connection); clock, whose time
waits          what is over by that clock
ledger         all that can be asked of it, in one class
intake         a study becomes a revision (revisions): planned_read and planning, what one means for jobs; inputs, what
               a job reads; forced, an admin's wish that a study be closed
turns          which job is next; tokens, that wait to be published
jobs           claimed, read, failed (job_states); results, what a read has made; unread, what could not be read
deliveries     results on their way (resending), where their job lets them leave (leaving; outgoing_batches, what is
               next); destinations; commitments; delivery_events, their history; looks, whether an archive has a study
               by now
superseded     reads that newer ones replace; withdrawals
priors         earlier reads of a patient
deadlines      what is late; alerts; notices and notifications (notification_states), who must hear of it
admin          what an admin changes (admin_actions, who did it)
views          what an admin sees: job_rows, peers, overview
retention      what became of studies; files, on disk
checks         what must hold, over facts (values, what is no value); delivery_checks; flaws, what is found
damage         rows that hold what is no value are replaced, and their job (damaged_notifications: what is to be told)
               is put aside, so that others go on; damaged_deliveries, what is next all the same
copying        to another database
"""
