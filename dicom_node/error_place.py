"""What is told of an unforeseen error in place of its message, which may hold a patient's data."""

from pathlib import Path


def defect_of(error: BaseException) -> str:
    """Return its class and place, such as "KeyError at grid.py:41"."""
    return f"{type(error).__name__} at {place_of(error)}"


def place_of(error: BaseException) -> str:
    """Return the file and line that raised it, such as "grid.py:41"."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "an unknown place"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
