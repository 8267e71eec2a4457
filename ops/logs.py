"""Logs: one event a line on standard error, bound keys, no patients."""

import logging
import os
import sys
import warnings

import structlog

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


def configure_from_environment() -> None:
    """Set up logging as WETREAD_LOG_JSON says, which child processes inherit."""
    configure(json=os.environ.get("WETREAD_LOG_JSON", "") == "1")


def configure(*, json: bool = False) -> None:
    """Set up structlog and the standard library's logging for this process."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
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
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    # pydicom's and highdicom's warnings quote the values that they warn of, and those may be a patient's.
    warnings.simplefilter("ignore", UserWarning)
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        # pydicom sets the level of its logger when it is imported, which may be later than this.
        logging.getLogger(name).disabled = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
