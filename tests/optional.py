"""What some tests need and users may do without: packages, programs, data."""

import importlib
import os
from typing import Any, NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip at home and fail in CI, where everything is installed."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def need(module: str) -> Any:
    """Return a module; where it is not installed, skip at home with the remedy and fail in CI."""
    try:
        return importlib.import_module(module)
    except ImportError:
        missing(f"{module} is not installed: `make extras` brings what the optional runtimes and importers need")
