"""Where DICOM and models meet, in reading order. A package knows only those that stand before it.

settings       what a site may set about jobs, models and deliveries (broker_url, broker_tls, broker_refusals,
               secret_settings, languages, text_patterns, patient_secret); errors, what can go wrong; refusals, what is
               not read and why; object_kinds, the table of what we make; provenance, where UIDs and times come from
instances      any DICOM file that comes from elsewhere, read so that it can harm nobody, and what is mended of it
selecting      which models read which series of a study, and why not
series         files to Volume, Image or Waveform
jobs           the pure tables: states, turns, priorities, what goes where, who is told, what may be removed
case           one read on its way to become objects, and what is said of it, in the site's language
objects        SEG, SR and their like, made of a case
pictures       what people look at: Secondary Capture, PDF, presentation states
results        a case's objects, one of each kind that is wanted; result_files, on disk (recorded_file, whether one
               is what it was)
gate           what every object passes before it is sent
ledger         the truth of all that happened: transactions on SQLite or PostgreSQL; heartbeat, a lease kept alive
hosting        a model reads a series: resident in a process of its own, or a program
priors         an earlier read to compare with
delivery       results to their destinations
intake         from an assembled study to jobs
pipeline       one job: series -> volume -> reading -> objects -> results; outlasting, a ledger that is away;
               time_limit, when a job has had its time; attempt_words, what is told of an attempt that failed; recipe,
               every setting that alters output; unread, the note about what could not be read
notifying      who must hear of what is critical or late is told
queueing       Celery over Redis: tokens that say there is work
testing        small series for tests; planar_testing, small X-rays and clips
"""
