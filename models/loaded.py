"""A model that is resident: all of its networks, in one runtime."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from models.asking.network_shapes import shapes_of
from models.card.card_network import Network
from models.catalog import CatalogEntry, sha256_of
from models.errors import RuntimeFailed
from models.runtime_names import Precision
from models.runtimes.runtime import Arrays, LoadedNetwork, Runtime

#: This runtime loads the exported program beside a network, and a program is code.
_RUNS_PROGRAMS = "torch"


@dataclass(frozen=True, kw_only=True)
class NetworkFiles:
    """What is loaded of a model's networks, and how.

    Attributes:
        precision: What they compute in.
        files: By the network's name, where it is not the file that the card names.
        sha256: Of those files, by the network's name.
        proven_by: The runtime's words that a lower precision was measured with; empty where nothing is demanded.
        remedy: The command that measures it again.
    """

    precision: Precision = "fp32"
    files: Mapping[str, Path] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)
    proven_by: str = ""
    remedy: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedModel:
    """A model's networks, resident; ``infer`` is a `models.runtimes.runtime.Infer`.

    Attributes:
        id: The card's.
        digest: The catalog entry's.
        networks: By the card's names.
        files: SHA-256 of those that are not the card's own, by the network's name.
    """

    id: str
    digest: str
    networks: dict[str, LoadedNetwork]
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(
        cls, entry: CatalogEntry, runtime: Runtime, threads: int, chosen: NetworkFiles | None = None
    ) -> "LoadedModel":
        """Load all networks of a model; `chosen` says in which precision, fp32 where left out.

        Raises ModelIncomplete or ChecksumMismatch when the entry is not ready, RuntimeFailed.
        """
        entry.require_ready()
        chosen = chosen or NetworkFiles()
        networks: dict[str, LoadedNetwork] = {}
        # Whatever fails: what nobody holds can never be closed.
        with ExitStack() as failed:
            for name, network in entry.card.networks.items():
                if runtime.name == _RUNS_PROGRAMS:
                    _require_pinned(entry, name, network)
                file = chosen.files.get(name, entry.directory / network.file)
                networks[name] = runtime.load(
                    file, threads=threads, precision=chosen.precision, shapes=shapes_of(entry.card, name)
                )
                failed.callback(networks[name].close)
            model = cls(id=entry.card.id, digest=entry.digest, networks=networks, files=chosen.sha256)
            if chosen.proven_by not in ("", model.runtime):
                raise RuntimeFailed(
                    f"{entry.card.id} was measured in {chosen.precision} with {chosen.proven_by}, and this is "
                    f"{model.runtime}: run `{chosen.remedy}`"
                )
            failed.pop_all()
        return model

    @property
    def runtime(self) -> str:
        """What runs it, such as "onnxruntime 1.20.0 cpu"."""
        return next(iter(self.networks.values())).runtime

    @property
    def fingerprint(self) -> str:
        """What else than card and `runtime` decides what it answers."""
        return repr(
            [(name, self.files.get(name, ""), network.fingerprint) for name, network in sorted(self.networks.items())]
        )

    def infer(self, network: str, inputs: Arrays) -> Arrays:
        """Run the named network. Raises RuntimeFailed, also for a name that the card has not."""
        if network not in self.networks:
            raise RuntimeFailed(f"{self.id} has no network {network}; its card names {', '.join(self.networks)}")
        return self.networks[network].infer(inputs)

    def close(self) -> None:
        """Give memory back."""
        for network in self.networks.values():
            network.close()


def _require_pinned(entry: CatalogEntry, name: str, network: Network) -> None:
    """Raise RuntimeFailed unless the exported program of a network is the one that its card names."""
    program = (entry.directory / network.file).with_suffix(".pt2")
    if network.pt2_sha256 is None and not program.exists():
        raise RuntimeFailed(
            f"torch runs exported programs alone, and {program} is not there: the importers of MONAI bundles and "
            "nnU-Net folders write one where the network can be exported; else leave torch out of models.runtimes"
        )
    if network.pt2_sha256 is None:
        raise RuntimeFailed(
            f"torch does not run {program}: it would be code, and the card has no pt2_sha256 for network {name}; "
            "import the model again from whom you trust, or leave torch out of models.runtimes"
        )
    try:
        found = sha256_of(program)
    except OSError as error:
        raise RuntimeFailed(f"torch cannot read {program} ({error.strerror}); import the model again") from error
    # The catalog has compared it too, but that may be a while ago.
    if found != network.pt2_sha256:
        raise RuntimeFailed(
            f"torch does not run {program}: it has sha256 {found}, its card says {network.pt2_sha256}; import the "
            "model again"
        )
