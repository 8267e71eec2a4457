"""The page: what an admin sees, rendered on the server, nothing from outside. In reading order:

state_sentence   the one sentence at the top
wording          durations, times, outside text made harmless
pages            the pages' routes
pictures         a job's picture, by the job's id
metrics          what Prometheus scrapes
readiness        health and readiness
security         headers and the hosts that may ask
app              all of it as one Starlette application
serve            the application on a port, until it is stopped
"""
