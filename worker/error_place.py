"""Where an unforeseen error was raised: told in place of its message, which may hold a patient's data."""

from pathlib import Path


def place_of(error: BaseException) -> str:
    """Return the file and line that raised it, such as "grid.py:41"."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
