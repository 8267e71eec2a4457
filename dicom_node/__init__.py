"""DICOM and the wire; no pixels, no queue, no model. In reading order:

character_sets  what bytes of text mean, by the standard's sets
study        the records: StoredInstance, AssembledStudy, and the StudyStore they go to; errors, what can go wrong
settings     what a site may set; peer_settings, who may call; tls_settings, certificates
contexts     which SOP classes and transfer syntaxes, in which order
association  who may talk to us; host_names, the addresses of their names; turned_away, who was not let in
tls          the profile of TLS; tls_door, handshakes with a deadline; handshake_failures, why they fail;
             peer_certificate, whose certificate a caller shows; certificate_file, until when one is good
pynetdicom_seam  where our C-STORE path sits inside pynetdicom's association; wire, PDUs read with deadlines;
             monotonic_timer, its timers
store_receiver   fragments in, responses out (pdata, command_set: their encoding)
services     other requests and their statuses; offered_services, who gets which; wanted_elements, what they read
commitment_request   storage commitment as SCP: what is asked and reported; commitment_requests, what is open;
             commitment_service, on one association; committing, what is true (safekeeping, held_instances);
             commitment_reporter, on others, each a commitment_call
commitment_report    what an archive that we asked reports; report_service, on one association; report_recorder, into
             the ledger
announcements    MPPS and availability; performed_steps, what is under way; announcement_service; durable_note
store_scp    one C-STORE: from the request to the status
head         the UIDs of a dataset, and no more of it; elements, their places; modesty, what a parser may be given
part10       our file meta information before a dataset that stays as it is
origin       what a request says of an instance, and whether its dataset agrees
listening    the sockets that callers reach; accepting, from them; crowd, how many connections; doorkeeper, who is in,
             over all receiving processes
shares       how much of the spool each peer fills; kept_by_sender, what it holds of whom
receiver_desk    where receiving processes report; receiver_link, their end of the line; receiver_messages
spool        where instances are kept: written, synced, renamed, synced; disk, its system calls; namesakes, what comes
             under a UID that is there already; reencoding, whether two instances differ in their encoding only
kept_files   what is there by now; spool_layout, under which names; wholeness, of each; quarantine, what is damaged or
             was refused; unsynced, that a power cut may have damaged some; clearing, a study's files are removed
assembly     when a study is complete, a pure function; open_study, what is held of one, and the function applied to
             it and its series; patience, how long is waited for whom; questions, when an archive is asked for counts;
             instance_lists, what MPPS and availability notifications have listed
assembler    the thread that hands complete studies to the store; assembler_messages, what it is told; asker, who asks
             archives for counts; stocktaking, what a folder holds; handover, what the store must still be told;
             arrival_notes, that studies arrive, and from whom; adoption, what a crash left
server       the listening node, one in each process; admissions, who is in there
archive      the other side, as client: C-ECHO, C-STORE, C-FIND; identity, whose study it is; sender, C-STORE;
             requestor, associations that we ask for; matched_answers, who asked gets the answer; bounded_connection, no
             peer holds a thread for ever; bounded_message, nor fills the memory;
             query, what it holds of a patient, as found says it; retrieve, C-GET of a study; worklist, of orders;
             commitment, N-ACTION and the report that answers it; statuses, what its answers mean;
             dicomweb_archive, the same over DICOMweb (stow_answer, bounded_answer); folder_outlet, a folder instead
sources      what a person names to be sent: files, folders; zip_entries; media_directory, DICOMDIR; foreign_file, of
             whose meta information not all is right
pulling      studies from an archive to a node, C-GET; moving, C-MOVE; contents, what they consist of; forwarding,
             handed on
pynetdicom_switches  the libraries' process-wide settings, with reasons
testing      the fakes: an archive, a clock, a store
"""
