"""DICOM and the wire; no pixels, no queue, no model. In reading order; a package knows only those that stand before it.

study        the records: StoredInstance, AssembledStudy, and the StudyStore they go to; errors, what can go wrong;
             error_place, told of what nobody foresaw
datasets     what is read of a dataset, and no more of it
settings     what a site may set; peer_settings, who may call; tls_settings, certificates
contexts     which SOP classes and transfer syntaxes, in which order; turned_away, who was not let in
pynetdicom_switches  the libraries' process-wide settings, with reasons; monotonic_timer, its timers
clock        seconds that never run backwards
tls          connections that are encrypted
messages     what is said on an association, as bytes
spooling     instances are kept
sources      what a person names to be sent
archives     the other side, as client
commitments  storage commitment, as SCP and as who asked for it
announcing   MPPS and availability: what a study consists of
admitting    who may talk to us
assembling   when a study is complete, and who is told
receiving    the C-STORE path, from the socket to the spool
processes    the listening node: a server in each receiving process, and the desk of the first one, to which they report
pulling      studies from an archive to a node
testing      the fakes: an archive, a manual time, a store
"""
