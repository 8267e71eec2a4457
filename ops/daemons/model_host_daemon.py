"""`wetread model-host`: the process that holds the resident models of one device."""

import os

from models.proving.builds import Builds
from models.proving.runtime_choice import in_precision, runtime_named
from models.runtime_names import ENGINE_CACHE
from ops.assembly_line import catalog_of, model_host_socket, prepare_data
from ops.daemons.signals import stop_on_signals
from ops.settings import Settings
from worker.hosting.model_host import serve
from worker.hosting.shelf import ShelfSettings


def run(settings: Settings) -> None:
    """Hold the models until SIGTERM."""
    stop = stop_on_signals()
    prepare_data(settings)
    os.environ.setdefault(ENGINE_CACHE, str(settings.data / "engines"))
    serve(
        socket=model_host_socket(settings),
        catalog=catalog_of(settings),
        runtimes=[runtime_named(name) for name in settings.models.runtimes],
        settings=ShelfSettings(
            threads=settings.worker.model_threads or os.cpu_count() or 1,
            at_once=settings.worker.models_at_once,
            patience_s=settings.worker.batch_wait_ms / 1000.0,
            budget_bytes=int(settings.worker.model_memory_gib * 1024**3),
            verdicts=settings.data / "golden-verdicts.json",
        ),
        stop=stop,
        chosen=in_precision(settings.models.precision, Builds(settings.builds)),
    )
