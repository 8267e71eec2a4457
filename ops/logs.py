"""Logs: one event a line on standard error, bound keys, no patients."""

import logging
import os
import sys
import warnings

import structlog

from dicom_node.error_place import place_of
from ops.repeated_warnings import RepeatedWarnings

#: Libraries that would print datasets, arguments or queries. What fails in them comes back as an error of ours.
#: dicomweb_client logs an archive's Warning headers, urllib3 and requests may quote addresses with what was asked.
_SILENT = ("pynetdicom", "pydicom", "dicomweb_client", "urllib3", "requests", "matplotlib.font_manager")
#: Of these only warnings are let through.
_QUIET = (
    "celery",
    "kombu",
    "amqp",
    "highdicom",
    "matplotlib",
    "uvicorn",
    "alembic",
    "sqlalchemy",
)
#: Longer is no event any more.
_LONGEST = 300
#: What an error of a library means here, and what to do: by its name, since the command line does without the library.
_KNOWN = {
    "OutOfMemoryError": (
        "Redis is full",
        "raise its `maxmemory`, or see what else fills it (`redis-cli --bigkeys`); jobs stay queued meanwhile",
    ),
    "ReadOnlyError": (
        "Redis is a read-only replica",
        "`broker.url` must name the one that is written to; the worker is started again until it does",
    ),
    "ResponseError": (
        "Redis refuses what the worker asks of it, such as while its disk is full",
        "/readyz and the node's log say why; the worker is started again, and goes on when Redis does",
    ),
    "WorkerLostError": (
        "a child of the worker was killed in the middle of a job",
        "none: another takes its place, and the job is read again; if it comes often, look at the machine's memory",
    ),
}


class _AsEvents(logging.Handler):
    """Tells what a library logs as one event of ours: its first line, and of an error its name and place."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write it."""
        first, *_ = record.getMessage().splitlines() or [""]
        told = {"library": record.name, "said": first[:_LONGEST]}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            told |= {"error": type(error).__name__, "place": place_of(error)}
            cause, remedy = _KNOWN.get(type(error).__name__, ("", ""))
            told |= {key: words for key, words in (("cause", cause), ("remedy", remedy)) if words}
        structlog.get_logger().log(record.levelno, "said by a library", **told)


def configure_from_environment() -> None:
    """Set up logging as WETREAD_LOG_JSON says, which child processes inherit."""
    configure(json=os.environ.get("WETREAD_LOG_JSON", "") == "1")


def configure(*, json: bool = False) -> None:
    """Set up structlog and the standard library's logging for this process."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        # Before the time is added, in which no two are the same.
        RepeatedWarnings(),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Line and line end in one write: several processes have one standard error.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_AsEvents()], level=logging.WARNING)
    # pydicom's and highdicom's warnings quote the values that they warn of, and those may be a patient's.
    warnings.simplefilter("ignore", UserWarning)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        # pydicom sets the level of its logger when it is imported, which may be later than this.
        logging.getLogger(name).disabled = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
