"""DICOM and the wire; no pixels, no queue, no model. In reading order:

study        the records: StoredInstance, AssembledStudy, and the StudyStore they go to
settings     what a site may set
contexts     which SOP classes and transfer syntaxes, in which order
association  who may talk to us
store_scp    one C-STORE: from the request to the status
spool        where instances are kept: written, synced, renamed, synced
assembly     when a study is complete, a pure function
server       the listening node and its assembler
archive      the other side, as client: C-ECHO, C-STORE, C-FIND
"""
