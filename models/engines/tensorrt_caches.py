"""What TensorRT keeps beside engines so that the next build or load is quicker; without it only slower.

Both check by themselves that they belong to this GPU, driver and version, and refuse to be loaded elsewhere.
"""

from pathlib import Path
from typing import Any

import structlog

from models.durable_file import write_durably

_log = structlog.get_logger()


def attach_timing_cache(config: Any, file: Path) -> None:
    """Let a builder of Enterprise TensorRT use the timings of earlier builds. Raises OSError."""
    kept = file.read_bytes() if file.is_file() else b""
    if not config.set_timing_cache(config.create_timing_cache(kept), False):  # noqa: FBT003  # its own signature
        # Of another GPU or version, or damaged: it begins anew.
        config.set_timing_cache(config.create_timing_cache(b""), False)  # noqa: FBT003


def keep_timing_cache(config: Any, file: Path) -> None:
    """Keep what a build has timed."""
    cache = config.get_timing_cache()
    if cache is not None:
        _keep(file, bytes(cache.serialize()))


class ContextCache:
    """The kernels that TensorRT-RTX makes for a GPU when an engine is loaded, kept from one load to the next."""

    def __init__(self, trt: Any, engine: Any, file: Path | None) -> None:
        """Take the module, the engine, and where to keep them; None, or another flavour, keeps nothing."""
        self._file = file
        self._config = engine.create_runtime_config() if file is not None and hasattr(trt, "IRuntimeCache") else None
        self._cache: Any = None
        if self._config is None or file is None:
            return
        # Where shapes repeat, one launch replays all kernels.
        self._config.cuda_graph_strategy = trt.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        self._cache = self._config.create_runtime_cache()
        if file.is_file():
            self._cache.deserialize(file.read_bytes())  # False for one that does not fit: it stays empty
        self._config.set_runtime_cache(self._cache)

    def context(self, engine: Any) -> Any:
        """Return an execution context; None where there is too little memory."""
        return (
            engine.create_execution_context() if self._config is None else engine.create_execution_context(self._config)
        )

    def keep(self) -> None:
        """Keep what was made since."""
        if self._cache is not None and self._file is not None:
            _keep(self._file, bytes(self._cache.serialize()))


def _keep(file: Path, content: bytes) -> None:
    try:
        write_durably(file, content)
    except OSError as error:
        # A full disk costs time at the next load, and must not cost this one.
        _log.warning("cache not kept", file=file.name, cause=error.strerror)
