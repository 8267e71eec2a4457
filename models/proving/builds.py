"""Models in a lower precision: made by `wetread models build`, measured on golden inputs, used while that holds.

Kept as ``<root>/<model digest>/<runtime>-<precision>/`` with the rewritten files and ``build.json``, never in the
model's own directory, which may be read-only and is what its digest says.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from models.catalog import CatalogEntry, sha256_of
from models.durable_file import write_durably
from models.errors import ModelError, RuntimeFailed
from models.loaded import NetworkFiles
from models.proving.checking import GoldenVerdict, check, golden_inputs
from models.proving.precision import PRECISIONS, lowered
from models.runtime_names import Precision, RuntimeName
from models.runtimes.runtime import Arrays, Runtime

_RECORD = "build.json"


@dataclass(frozen=True, kw_only=True)
class Build:
    """A model in a lower precision on this machine.

    Attributes:
        model_id: The card's.
        digest: The catalog entry's.
        precision: What it computes in.
        runtime: What proved it, such as "openvino 2026.4.1 cpu bf16": another version must prove it again.
        networks: File by the network's name, for those that were rewritten.
        sha256: Of those files, by the network's name.
        verdicts: What the golden inputs proved.
    """

    model_id: str
    digest: str
    precision: Precision
    runtime: str
    networks: dict[str, str]
    verdicts: tuple[GoldenVerdict, ...]
    sha256: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether every golden answer agrees within what the card allows of lower precisions."""
        return bool(self.verdicts) and all(verdict.passed for verdict in self.verdicts)


_BUILD = TypeAdapter(Build)


class Builds:
    """The builds of this machine; methods raise OSError where the disk refuses."""

    def __init__(self, root: Path) -> None:
        """Take the directory; it is made when the first build is kept."""
        self.root = root

    def make(
        self,
        entry: CatalogEntry,
        runtime: Runtime,
        name: RuntimeName,
        precision: Precision,
        *,
        threads: int,
        calibration: Sequence[Arrays] = (),
        step: Callable[[str], None] = lambda _: None,
    ) -> Build:
        """Lower a model, measure it, and record what was found, also where it does not agree.

        Args:
            entry: A model that is ready.
            runtime: What is to run it.
            name: Of the runtime.
            precision: Lower than fp32.
            threads: For the runtime.
            calibration: Inputs of the network main, which int8 needs; other networks' are their golden ones.
            step: Told what is done.

        Raises ModelError where this runtime does not compute in it, or a file cannot be lowered, RuntimeFailed.
        """
        rewritten = _rewritten(name, precision)
        if not entry.card.golden:
            raise ModelError(f"{entry.card.id} has no golden files, so no precision but fp32 can be proven")
        if precision == "int8" and "main" in entry.card.networks and not calibration:
            # Its golden input would be what the ranges are measured on, and what proves them.
            raise ModelError(
                f"{entry.card.id} cannot be built in int8 without inputs like those that will come: its golden inputs "
                "prove it, and must not be what its ranges are made from; write some prepared inputs as npz files and "
                "name their folder with --calibration (docs/writing-a-model.md)"
            )
        folder = self._folder(entry, name, precision)
        # What was measured before is not this any more, from the first byte that is written.
        (folder / _RECORD).unlink(missing_ok=True)
        files, sha256 = _written(entry, precision, folder, calibration, step) if rewritten else ({}, {})
        step("measuring on the golden inputs")
        chosen = NetworkFiles(
            precision=precision, files={key: folder / file for key, file in files.items()}, sha256=sha256
        )
        verdicts = tuple(check(entry, runtime, threads=threads, files=chosen))
        build = Build(
            model_id=entry.card.id,
            digest=entry.digest,
            precision=precision,
            runtime=verdicts[0].runtime,
            networks=files,
            verdicts=verdicts,
            sha256=sha256,
        )
        write_durably(folder / _RECORD, json.dumps(asdict(build), indent=1).encode())
        return build

    def files(self, entry: CatalogEntry, name: RuntimeName, precision: Precision) -> NetworkFiles:
        """Return what a runtime loads for this precision. Raises RuntimeFailed where no build has proven it."""
        if precision == "fp32":
            return NetworkFiles()
        _rewritten(name, precision)
        build = self.find(entry, name, precision)
        command = f"wetread models build {entry.card.id} --precision {precision} --runtime {name}"
        command += " --calibration DIR" if precision == "int8" else ""
        if build is None:
            raise RuntimeFailed(
                f"{entry.card.id} was not measured in {precision} on {name} of this machine: run `{command}`"
            )
        if not build.passed:
            raise RuntimeFailed(
                f"{entry.card.id} does not give its golden answers in {precision} on {name}: "
                + "; ".join(str(verdict) for verdict in build.verdicts if not verdict.passed)
            )
        folder = self._folder(entry, name, precision)
        for network, file in build.networks.items():
            if not (folder / file).is_file() or sha256_of(folder / file) != build.sha256.get(network):
                raise RuntimeFailed(
                    f"{entry.card.id}: {folder / file} is not what was measured in {precision} (damaged, or a build "
                    f"was interrupted): run `{command}`"
                )
        return NetworkFiles(
            precision=precision,
            files={network: folder / file for network, file in build.networks.items()},
            sha256=build.sha256,
            proven_by=build.runtime,
            remedy=command,
        )

    def find(self, entry: CatalogEntry, name: RuntimeName, precision: Precision) -> Build | None:
        """Return the record of a build; None where there is none that can be read."""
        try:
            return _BUILD.validate_json((self._folder(entry, name, precision) / _RECORD).read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            return None  # as good as none: it is made again

    def of(self, entry: CatalogEntry) -> list[tuple[RuntimeName, Build]]:
        """Return every build of a model, by runtime and precision."""
        found = []
        for name, precisions in PRECISIONS.items():
            for precision in precisions:
                build = self.find(entry, name, precision)
                if build is not None:
                    found.append((name, build))
        return found

    def _folder(self, entry: CatalogEntry, name: RuntimeName, precision: Precision) -> Path:
        return self.root / entry.digest / f"{name}-{precision}"


def _rewritten(name: RuntimeName, precision: Precision) -> bool:
    offered = PRECISIONS[name]
    if precision not in offered:
        able = ", ".join(["fp32", *offered])
        raise RuntimeFailed(f"{name} does not compute in {precision}; it offers {able}")
    return offered[precision]


def _written(
    entry: CatalogEntry,
    precision: Precision,
    folder: Path,
    calibration: Sequence[Arrays],
    step: Callable[[str], None],
) -> tuple[dict[str, str], dict[str, str]]:
    """Write each network in this precision; return the files and their checksums, by the network's name."""
    files: dict[str, str] = {}
    sha256: dict[str, str] = {}
    for network, described in entry.card.networks.items():
        step(f"writing network {network} in {precision}")
        inputs = _inputs(entry, network, calibration)
        content = lowered(entry.directory / described.file, precision, inputs)
        files[network] = f"{network}.{precision}.onnx"
        sha256[network] = hashlib.sha256(content).hexdigest()
        write_durably(folder / files[network], content)
    return files, sha256


def _inputs(entry: CatalogEntry, network: str, calibration: Sequence[Arrays]) -> Iterable[Arrays]:
    return calibration if network == "main" else list(golden_inputs(entry, network))
