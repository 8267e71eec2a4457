"""Which runtime runs a model: the first of the site's order that is installed and gives the golden answers."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import get_args

from models.catalog import CatalogEntry
from models.errors import RuntimeFailed
from models.loaded import LoadedModel, NetworkFiles
from models.proving.builds import Builds
from models.proving.checking import prove
from models.runtime_names import Precision, RuntimeName
from models.runtimes.runtime import Runtime

#: Says which files of a model a runtime loads.
Choose = Callable[[CatalogEntry, Runtime], NetworkFiles]

#: Module and class of each runtime. Imported when asked for: an extra that is not installed must not be missed.
_PLACES: dict[RuntimeName, tuple[str, str]] = {
    "onnxruntime": ("models.runtimes.onnx_runtime", "OnnxRuntime"),
    "openvino": ("models.runtimes.openvino_runtime", "OpenvinoRuntime"),
    "torch": ("models.runtimes.torch_runtime", "TorchRuntime"),
    "tensorrt": ("models.engines.tensorrt_runtime", "TensorrtRuntime"),
    "tensorrt-rtx": ("models.engines.tensorrt_runtime", "TensorrtRtxRuntime"),
}
if get_args(RuntimeName) != tuple(_PLACES):
    raise AssertionError("RuntimeName and _PLACES differ")


def runtime_named(name: RuntimeName) -> Runtime:
    """Return a runtime. Raises RuntimeFailed with the remedy where its extra is not installed."""
    module, made = _PLACES[name]
    try:
        found: Runtime = getattr(importlib.import_module(module), made)()
    except ImportError as error:
        raise RuntimeFailed(
            f"the runtime {name} is not installed on this machine: pip install 'wetread[{name}]', or leave it out of "
            "models.runtimes"
        ) from error
    return found


def load_proven(
    entry: CatalogEntry,
    runtimes: Sequence[Runtime],
    *,
    threads: int,
    passed_over: Callable[[str, str], None],
    kept: Path | None = None,
    chosen: Choose = lambda _entry, _runtime: NetworkFiles(),
    turn: AbstractContextManager[object] | None = None,
) -> LoadedModel:
    """Load a model into the first of these runtimes in which it gives its golden answers on this machine.

    Falling back happens only to what the caller has listed, and is told.

    Args:
        entry: A model that is ready.
        runtimes: In the site's order.
        threads: For the runtime.
        passed_over: Is told the name of each runtime that was not taken, and why.
        kept: JSON file of verdicts; one that is there for this model and runtime is not asked for again.
        chosen: Says which files a runtime loads and in which precision; raises RuntimeFailed where it must not.
        turn: Golden inputs are run in it, where other models run beside.

    Raises RuntimeFailed with every runtime's words.
    """
    words = []
    for runtime in runtimes:
        try:
            return _proven(entry, runtime, threads, kept, chosen(entry, runtime), turn)
        except RuntimeFailed as error:
            words.append(str(error))
            passed_over(runtime.name, str(error))
    raise RuntimeFailed("; ".join(words) or "no runtime is listed in models.runtimes")


def in_precision(wanted: Mapping[str, Precision], builds: Builds) -> Choose:
    """Return what chooses a model's files by the site's wish: fp32, or a lower precision that a build has proven.

    Args:
        wanted: Precision by the model's id.
        builds: What was measured on this machine.
    """

    def choose(entry: CatalogEntry, runtime: Runtime) -> NetworkFiles:
        names = [name for name in _PLACES if name == runtime.name]
        precision = wanted.get(entry.card.id, "fp32")
        return builds.files(entry, names[0], precision) if names else NetworkFiles()

    return choose


def _proven(
    entry: CatalogEntry,
    runtime: Runtime,
    threads: int,
    kept: Path | None,
    files: NetworkFiles,
    turn: AbstractContextManager[object] | None,
) -> LoadedModel:
    model = LoadedModel.load(entry, runtime, threads, files)
    with ExitStack() as failed:
        failed.callback(model.close)
        verdicts = prove(entry, model, precision=files.precision, kept=kept, turn=turn)
        wrong = [str(verdict) for verdict in verdicts if not verdict.passed]
        if wrong:
            raise RuntimeFailed(
                f"{entry.card.id} does not give its golden answer on this machine, so it must not be used: "
                + "; ".join(wrong)
            )
        failed.pop_all()
    return model
