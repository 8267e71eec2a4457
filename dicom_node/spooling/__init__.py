"""Instances are kept: written, synced, linked, synced. In reading order:

spool           the way in; disk, its system calls; spool_layout, under which names
namesakes       what comes under a UID that is there already; reencoding, whether two instances differ in their encoding
kept_files      what is there by now; quarantine, what is damaged or was refused; unsynced, that a power cut may have
                damaged some; clearing, a study's files are removed
held_instances  what we promised to keep; durable_note, a promise on disk
shares          how much of the spool each peer fills; kept_by_sender, what it holds of whom
"""
