"""The audit trail (PS3.15 A.5): who got whose images from whom, and who was turned away. In reading order:

records      what happened, one record an event
settings     where the messages go
message      a record as the XML of PS3.15 A.5.1; patient, whose study it was
received     what associations have brought and nobody has told yet; turned_away_counts, whom it did not let in
outgoing     messages on their way, a file each
syslog_message  RFC 5424, 5425 and 5426; trail_file, a file of its own
sending      the thread that sends them
trail        all of it for one process; overhearing and delivering, how it hears; watch, how it is
"""
