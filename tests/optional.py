"""Packages that some tests need and users may do without."""

import importlib
import os
from typing import Any

import pytest


def need(module: str) -> Any:
    """Return a module; where it is not installed, skip at home with the remedy and fail in CI."""
    try:
        return importlib.import_module(module)
    except ImportError:
        reason = f"{module} is not installed: `make extras` brings what the optional runtimes and importers need"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
