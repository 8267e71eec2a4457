"""What can go wrong between a study and its results, each with cause and remedy."""


class WorkerError(Exception):
    """A job cannot go on; the message names cause and remedy and never a patient."""


class SeriesRefused(WorkerError):
    """A series must not be read: gaps, tilt, mixed orientation, localiser, too large; the message names which."""


class SeriesUnreadable(WorkerError):
    """A file of the series cannot be parsed or decoded; the message names the file and the decoder's words."""


class SourceRefused(WorkerError):
    """A source lacks what a result needs (no Frame of Reference, ...); the message names the attribute."""


class OutputRefused(WorkerError):
    """An object did not pass the output gate and is not sent; the message names each failed check."""


class LeaseLost(WorkerError):
    """Another worker holds the job by now, so this one's results are not written."""


class ModelHostLost(WorkerError):
    """The model host ended or does not answer; the job is handed back and the host is replaced."""
