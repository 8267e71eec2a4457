"""DICOM and the wire; no pixels, no queue, no model. In reading order:

study        the records: StoredInstance, AssembledStudy, and the StudyStore they go to
settings     what a site may set; peer_settings, who may call; tls_settings, certificates
contexts     which SOP classes and transfer syntaxes, in which order
association  who may talk to us; host_names, the addresses of their names; turned_away, who was not let in
tls          the profile of TLS; tls_door, handshakes with a deadline; handshake_failures, why they fail;
             peer_certificate, whose certificate a caller shows; certificate_file, until when one is good
pynetdicom_seam  where our C-STORE path sits inside pynetdicom's association; wire, PDUs read with deadlines
store_receiver   fragments in, responses out (pdata, command_set: their encoding)
store_scp    one C-STORE: from the request to the status
head         the UIDs of a dataset, and no more of it
part10       our file meta information before a dataset that stays as it is
origin       what a request says of an instance, and whether its dataset agrees
listening    the sockets that callers reach; doorkeeper, who is in, over all receiving processes
receiver_desk    where receiving processes report; receiver_link, their end of the line; receiver_messages
spool        where instances are kept: written, synced, renamed, synced; disk, its system calls; wholeness; namesakes,
             what comes under a UID that is there already;
             reencoding, whether two instances differ in their encoding only
assembly     when a study is complete, a pure function
assembler    the thread that hands complete studies to the store; stocktaking, what a folder holds;
             handover, what the store must still be told
server       the listening node
archive      the other side, as client: C-ECHO, C-STORE, C-FIND; identity, whose study it is; sender, C-STORE;
             query, what it holds of a patient, as found says it; retrieve, C-GET of a study;
             commitment, N-ACTION and the report that answers it; statuses, what its answers mean;
             dicomweb_archive, the same over DICOMweb (stow_answer); folder_outlet, a folder in its place
sources      what a person names to be sent: files, folders; zip_entries; media_directory, DICOMDIR
pulling      studies from an archive to a node, C-GET and C-MOVE; contents, what they consist of; forwarding, handed on
pynetdicom_switches  the libraries' process-wide settings, with reasons
testing      the fakes: an archive, a clock, a store
"""
