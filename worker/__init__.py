"""Where DICOM and models meet. In reading order:

selection      which models read which series of a study, and why not
job            states and transitions, one table
tables         the ledger's tables; migrations/ makes them
ledger         the ledger's transactions
outbox         tokens that wait to be published, and the reconciler
celery_app     Celery over Redis, each setting with its reason
tasks          what a token does: claim, run, next
pipeline       one job: series -> volume -> reading -> objects -> results
model_host     the process that holds the resident models
series_volume  files to Volume or Waveform
segmentation, report, ecg_report, text_report, picture   the objects
provenance     where their UIDs and times come from
output_gate    what every object passes before it is sent
delivery       results to their destinations
"""
