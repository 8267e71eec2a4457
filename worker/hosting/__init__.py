"""A model reads a series: by the process that holds the resident models, or as a program. In reading order:

reading_series    a model reads a series; command_model, one that comes as a program
model_client      asks the host; array_transport, how arrays get there
model_host        the process; shelf, which models are resident (eviction)
model_queue       who waits for one: batching, turnstile
"""
