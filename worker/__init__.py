"""Where DICOM and models meet. In reading order:

settings       what a site may set about jobs, models and deliveries (broker_url, broker_tls); errors, what can go
               wrong; error_place, told of what nobody foresaw
selection      which models read which series of a study, and why not; selection_summary, what it sees of them;
               selection_rules, what a card may say of them; tag_rules, free rules on attributes; text_patterns, regular
               expressions in them; image_versions, which of an image that came twice; other_series, what fits as well
               and is not read
priority       how urgent a study is: priority_settings, the site's rules; order_priorities, a worklist's word
intake         from an assembled study to jobs; own_results, what is ours and comes back; planned_read, what a
               revision means for a model; inputs_digest, whether an input is what was read
job            states (recorded_state) and what may follow what, one table; tables, the ledger's rows, and
               column_types, how values stand in them; migrations/ makes them
turn           which job is next; ledger_turns, in the ledger
ledger         its transactions: ledger_intake (ledger_revisions), ledger_forced, ledger_jobs, ledger_deliveries,
               ledger_unread, ledger_admin (admin_actions, who did it), and for reading ledger_views (ledger_peers)
               and ledger_overview (overview, its records); below them ledger_database, what a transaction is,
               ledger_clock, ledger_versions, and ledger_engine, SQLite or PostgreSQL (postgresql_connection)
ledger_checks  what must hold in it, over ledger_facts, of results on their way (ledger_delivery_checks), and on disk
               (ledger_files); ledger_flaws, what is found; ledger_copy, to another database
forcing        an admin's wish that a study be closed, on its way to the node
ledger_damage  a job whose rows are damaged is put aside, so that others go on
outbox         tokens that wait to be published, and the reconciler
celery_app     Celery over Redis, each setting with its reason; token_message, what of a message counts, and
               token_transport, where that sits; tasks, what a token does; consumer_watch, a consumer that gets none
               any more; time_limit, when a job has had its time
pipeline       one job: series -> volume -> reading -> objects -> results; heartbeat, its lease; outlasting, a ledger
               that is away
series_volume  files to Volume, Image or Waveform: slice_geometry, image_frames, planar_images (planar_spacing),
               waveform_reading; quick_parsing, plain_frames and frame_decoders, what makes it fast; rescaling;
               refusals, what is not read and why; series_repairs, what is mended; pydicom_errors, codestream_size and
               bounded_inflating, what foreign files may not do to us
channel_series several series as channels
reading_series a model reads a series; command_model, one that comes as a program
model_host     the process that holds the resident models; model_client asks it; array_transport between them; shelf,
               which are resident (eviction); model_queue, who waits for one (batching, turnstile)
case           one read on its way to become objects; object_kinds, the table of their kinds
sentences      what people read, in the site's language: finding_sentences, other_series_words, languages,
               line_breaking, locale/; site_filter, what the site does not want to be told
segments       what becomes a segment; names and UIDs that all objects share
results        a case's objects: segmentation and labelmap; report and region_report on measurement_groups; ecg_report,
               text_report; rt_structure_set on mask_contours; parametric_map; labels_told; below them sr_document
               (sr_evidence), object_encoding, frame_encoding, source_geometry, planar_geometry, source_repairs
               (identity_rules, value_checks); sender_characters, what the bytes of a name mean
pictures       for people: summary_image and pdf_document (pdf_pages, pdf_fonts) of a picture, which is slice_picture
               (key_slices, shown_images) or ecg_picture; presentation_state on graphic_annotations, graphic_objects,
               mask_outlines and grey_transformations; key_objects; below them image_references, picture_style and
               picture_words
priors         an earlier read to compare with: patient_key and study_moment, whose and when; ledger_priors and
               archive_priors, where it is; earlier_report, its numbers; prior, the records; prior_pairs, prior_sizes
               and prior_changes, what has changed; prior_words, in sentences; prior_evidence, what was compared with
provenance     where UIDs and times come from
result_files   objects on disk, recorded_file, whether one is what it was; unread, the note about what could not be read
output_gate    what every object passes before it is sent: gate_bundle, gate_object_checks, gate_attribute_checks (what
               PS3.3's modules require: required_attributes.json), gate_content_checks
               and gate_planar_checks (the SEG), gate_labelmap_checks, gate_parametric_map_checks,
               gate_rt_structure_checks, gate_picture_checks, gate_report_checks and gate_number_checks (the SRs)
found_results  results of anybody as files, and what the gate says of them
routing        which reads go where; destination_settings (secret_settings), what a site may say about it
delivery       results to their destinations: delivery_answers, what these say; circuit_breaker, when one gets
               nothing; reencoded_copy, another encoding; identity_check, whose study it is by now; committing,
               storage commitment; in the ledger
               ledger_destinations and ledger_commitments (delivery_events); delivery_witness, who hears of it
superseded     a read that a newer one replaces: still_there, what of it stands; ledger_superseded, ledger_withdrawals;
               rejection_note, for archives that hide it (IOCM); superseded_read, instance_reference and
               instance_hierarchy; gate_superseding_checks
retention      what may be removed, and when; ledger_retention, what became of studies
notification   who is told of what is critical or late, and when the next are; notification_settings, by what;
               notification_words, in sentences; ledger_notifications, ledger_deadlines and ledger_alerts keep it;
               notifying tells them
testing        small series for tests; planar_testing, small X-rays and clips
"""
