"""Every model proves itself on this machine: its golden inputs must give the expected outputs."""

import hashlib
import json
import os
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import structlog
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from models.card.card_network import Golden, Tolerance
from models.catalog import CatalogEntry
from models.errors import CardError
from models.loaded import LoadedModel, NetworkFiles
from models.proving.network_agreement import require_agreement
from models.runtime_names import Precision
from models.runtimes.runtime import Arrays, Runtime

_log = structlog.get_logger()

#: A label with a smaller share of the voxels is not asked for its Dice: a few voxels would decide.
_RARE = 1e-3


@dataclass(frozen=True, kw_only=True)
class GoldenVerdict:
    """What one golden input proved.

    Attributes:
        network: Which network of the model.
        runtime: What ran it.
        passed: Whether the outputs agree within the card's limits.
        deviation: The worst output's: relative error of numbers, share of other labels.
        limit: What the card allows of it.
        seconds: What the run took; 0 for a verdict that was kept from an earlier run.
        dice: The worst label's, of those that have a thousandth of the voxels; 1 where no output is of labels.
        telling: Whether anything is to be found: where background is all that is expected, a runtime that never
            answers anything else passes too.
        unlike: An output that cannot be compared, and why; empty where all can be.
    """

    network: str
    runtime: str
    passed: bool
    deviation: float
    limit: float
    seconds: float
    dice: float = 1.0
    telling: bool = True
    unlike: str = ""

    def __str__(self) -> str:
        """Return the verdict as a sentence."""
        verdict = "gives its golden answer" if self.passed else "does NOT give its golden answer"
        overlap = f"; worst Dice {self.dice:.4f}" if self.dice < 1.0 else ""
        little = "" if self.telling else ". Nothing is found in it, so it proves little: add one in which something is"
        return (
            f"{self.network} {verdict} on {self.runtime} (deviation {self.deviation:.1e}, allowed {self.limit:.0e}"
            f"{overlap}; {self.seconds:.2f} s){self.unlike and '. ' + self.unlike}{little}"
        )


def check(
    entry: CatalogEntry,
    runtime: Runtime,
    *,
    threads: int = 1,
    files: NetworkFiles | None = None,
) -> list[GoldenVerdict]:
    """Run a model's golden inputs.

    Args:
        entry: A model that is ready.
        runtime: What is to prove itself.
        threads: For the runtime.
        files: What is loaded, and in which precision; as the card says in fp32 where left out.

    Raises ModelIncomplete, ChecksumMismatch, RuntimeFailed, or CardError when a golden file cannot be read or a network
    is not what the card says.
    """
    entry.require_ready()
    require_agreement(entry)
    with closing(LoadedModel.load(entry, runtime, threads, files)) as model:
        return prove(entry, model, precision=files.precision if files is not None else "fp32")


def prove(
    entry: CatalogEntry,
    model: LoadedModel,
    *,
    precision: Precision = "fp32",
    kept: Path | None = None,
    turn: AbstractContextManager[object] | None = None,
) -> list[GoldenVerdict]:
    """Run the golden inputs of a model that is loaded, as `check` does. Raises RuntimeFailed, CardError.

    Args:
        entry: The model.
        model: The same, loaded.
        precision: In which it is loaded.
        kept: JSON file of what has passed; what is found there is not run again.
        turn: Held for each, where others run beside it.
    """
    earlier = _read(kept)
    key = _key(entry, model) if kept is not None else ""
    if proven := _proven_before(earlier.get(key), len(entry.card.golden)):
        return proven
    verdicts = [_check_one(entry, golden, model, precision, turn or nullcontext()) for golden in entry.card.golden]
    # What failed is run again each time: what was wrong may have been put right.
    if kept is not None and all(verdict.passed for verdict in verdicts):
        earlier[key] = [asdict(verdict) for verdict in verdicts]
        _write(kept, earlier)
    return verdicts


def _proven_before(verdicts: Any, wanted: int) -> list[GoldenVerdict]:
    """Return kept verdicts, one for each golden input; none where another release, or damage, has left another kind."""
    try:
        proven = [GoldenVerdict(**{**verdict, "seconds": 0.0}) for verdict in verdicts]
    except TypeError:
        return []
    return proven if len(proven) == wanted and all(verdict.passed is True for verdict in proven) else []


def _key(entry: CatalogEntry, model: LoadedModel) -> str:
    """Return what a verdict is about: the card with its networks, the golden files, and all that runs them here."""
    about = hashlib.sha256(model.fingerprint.encode())
    for golden in entry.card.golden:
        try:
            about.update(hashlib.sha256((entry.directory / golden.file).read_bytes()).digest())
        except OSError as error:
            raise _unreadable(entry.directory / golden.file, error) from error
    return f"{entry.digest} {model.runtime} {about.hexdigest()}"


def golden_inputs(entry: CatalogEntry, network: str) -> Iterator[Arrays]:
    """Yield the golden inputs of one network. Raises CardError when a file cannot be read."""
    for golden in entry.card.golden:
        if golden.network == network:
            yield _load_golden(entry.directory / golden.file)[0]


def _check_one(
    entry: CatalogEntry,
    golden: Golden,
    model: LoadedModel,
    precision: Precision,
    turn: AbstractContextManager[object],
) -> GoldenVerdict:
    inputs, expected = _load_golden(entry.directory / golden.file)
    with turn:
        started = time.perf_counter()
        full = model.infer(golden.network, inputs)
        seconds = time.perf_counter() - started
    answer = {name: _every(array, golden.stride) for name, array in full.items()}
    allowed = golden.tolerance(precision)
    worst, limit, dice, passed, unlike = 0.0, allowed.max_relative_error, 1.0, True, ""
    for name, wanted in expected.items():
        deviation, most = _deviation(answer.get(name), wanted, allowed)
        # The one that is furthest beyond its limit, which may be 0.
        if deviation * limit >= worst * most:
            worst, limit = deviation, most
        passed = passed and deviation <= most
        dice = min(dice, _dice(answer.get(name), wanted))
        unlike = unlike or _unlike(name, answer.get(name), wanted)
    return GoldenVerdict(
        network=golden.network,
        runtime=model.runtime,
        passed=passed and dice >= allowed.min_dice,
        deviation=worst,
        limit=limit,
        seconds=seconds,
        dice=dice,
        telling=any(_is_telling(wanted) for wanted in expected.values()),
        unlike=unlike,
    )


def _unlike(name: str, found: NDArray[np.generic] | None, wanted: NDArray[np.generic]) -> str:
    """Return why an output cannot be compared; empty where it can be."""
    if found is None:
        return f"The network has no output {name}, or of fewer axes than the card's stride"
    return "" if found.shape == wanted.shape else f"{name} is {found.shape}, and expected is {wanted.shape}"


def _is_telling(wanted: NDArray[np.generic]) -> bool:
    """Say whether an expected output holds several numbers, or is one by itself."""
    return wanted.size == 1 or bool(wanted.size and (wanted != wanted.flat[0]).any())


def _every(array: NDArray[np.generic], stride: Sequence[int]) -> NDArray[np.generic] | None:
    """Return every n-th element; None of an answer that has fewer axes than that, and is as wrong as none."""
    if len(stride) > array.ndim:
        return None
    return array[tuple(slice(None, None, step) for step in stride)]


def _deviation(
    found: NDArray[np.generic] | None, wanted: NDArray[np.generic], allowed: Tolerance
) -> tuple[float, float]:
    whole = np.issubdtype(wanted.dtype, np.integer)
    limit = allowed.max_label_disagreement if whole else allowed.max_relative_error
    if found is None or found.shape != wanted.shape:
        return float("inf"), limit
    if not wanted.size:
        return 0.0, limit  # a detector that rightly finds nothing
    if whole:
        return float(np.mean(found != wanted)), limit
    reference = np.asarray(wanted, np.float64)
    error = np.abs(np.asarray(found, np.float64) - reference).max() / max(float(np.abs(reference).max()), 1e-12)
    # A comparison with NaN is never true, and an answer that is not a number is as wrong as can be.
    return (float(error) if np.isfinite(error) else float("inf")), limit


def _dice(found: NDArray[np.generic] | None, wanted: NDArray[np.generic]) -> float:
    """Return the worst overlap of a label that is not rare; 1 for an output of numbers."""
    if found is None or found.shape != wanted.shape or not np.issubdtype(wanted.dtype, np.integer):
        return 1.0
    worst = 1.0
    for label in np.unique(wanted):
        here, there = wanted == label, found == label
        if here.sum() >= _RARE * wanted.size:
            worst = min(worst, float(2 * (here & there).sum() / (here.sum() + there.sum())))
    return worst


def _load_golden(file: Path) -> tuple[Arrays, Arrays]:
    try:
        # Opened here: numpy leaves a damaged file open.
        with file.open("rb") as stream, NpzFile(stream, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
        raise _unreadable(file, error) from error
    inputs = {name.removeprefix("input."): array for name, array in found.items() if name.startswith("input.")}
    expected = {name.removeprefix("expected."): array for name, array in found.items() if name.startswith("expected.")}
    if not (inputs and expected):
        raise CardError(f"{file} needs arrays named input.* and expected.*; fetch or import the model again")
    return inputs, expected


def _unreadable(file: Path, error: Exception) -> CardError:
    return CardError(f"{file} cannot be read ({error}); fetch or import the model again")


def _write(kept: Path, verdicts: Mapping[str, object]) -> None:
    # Whole or not at all; what a power cut loses of it is run again.
    part = kept.with_name(f".{kept.name}.{os.getpid()}.part")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(verdicts, indent=1, sort_keys=True), encoding="utf-8")
        part.replace(kept)
    except OSError as error:
        # A full disk costs the next start its time; a model that has just proven itself still runs.
        _log.warning("golden verdicts not kept", file=kept.name, cause=error.strerror)


def _read(kept: Path | None) -> dict[str, Any]:
    try:
        verdicts = json.loads(kept.read_text(encoding="utf-8")) if kept else {}
    except (OSError, ValueError):
        return {}
    return verdicts if isinstance(verdicts, dict) else {}
