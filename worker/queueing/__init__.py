"""Celery over Redis carries tokens, never work. In reading order:

outbox            tokens that wait to be published, and the reconciler
celery_app        Celery, each setting with its reason; tasks, what a token does
token_message     what of a message counts; token_transport, where that sits
consumer_watch    a consumer that gets none any more
"""
