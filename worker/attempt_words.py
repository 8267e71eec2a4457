"""What an admin is told of an attempt that failed, with the setting that it ran into."""

from worker.settings import WorkerSettings


def told_of(error: Exception, settings: WorkerSettings) -> str:
    """Return an error of ours with its class, as the ledger's reasons begin with it."""
    told = f"{type(error).__name__}: {error}".removesuffix(": ")
    if not isinstance(error, MemoryError):
        return told
    return (
        f"{told}: it wanted more than worker.memory_limit_gib ({settings.memory_limit_gib:g} GiB). Is the study what "
        "it claims to be? Then raise the limit, or read it on a machine with more memory"
    )


def too_long(settings: WorkerSettings) -> str:
    """Return that the time of a job was up."""
    return (
        f"it took longer than worker.job_time_limit_s ({settings.job_time_limit_s:g} s). Is the machine overloaded, or "
        "the model too slow for it? `wetread models bench` times it"
    )
