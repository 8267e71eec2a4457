"""What jobs, notifications and studies may do: tables and pure functions, no database, no clock. In reading order:

job                states (recorded_state) and what may follow what; job_remedies, what an admin may do instead
job_records        what the ledger hands to who works; admin_rows and overview, to who looks
priority           how urgent a study is; priority_settings, the site's rules
turn               which job is next
routing            which reads go where; study_awaited, a study that its archive does not have yet
superseded_read    what a read replaces; still_there, what of it stands
notification       who is told of what is critical or late, and when the next are; notification_records
patient_key        whose an earlier read is; study_moment, when it was
retention          what may be removed, and when
"""
