"""A model that is resident: all of its networks, in one runtime."""

from dataclasses import dataclass

from models.catalog import CatalogEntry
from models.errors import RuntimeFailed
from models.runtime import Arrays, LoadedNetwork, Runtime


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedModel:
    """A model's networks, resident; ``infer`` is a `models.runtime.Infer`.

    Attributes:
        id: The card's.
        digest: The catalog entry's.
        networks: By the card's names.
    """

    id: str
    digest: str
    networks: dict[str, LoadedNetwork]

    @classmethod
    def load(cls, entry: CatalogEntry, runtime: Runtime, threads: int) -> "LoadedModel":
        """Load all networks of a model.

        Raises ModelIncomplete or ChecksumMismatch when the entry is not ready, RuntimeFailed.
        """
        entry.require_ready()
        networks: dict[str, LoadedNetwork] = {}
        try:
            for name, network in entry.card.networks.items():
                networks[name] = runtime.load(entry.directory / network.file, threads=threads)
        except RuntimeFailed:
            for loaded in networks.values():
                loaded.close()
            raise
        return cls(id=entry.card.id, digest=entry.digest, networks=networks)

    @property
    def runtime(self) -> str:
        """What runs it, such as "onnxruntime 1.20.0 cpu"."""
        return next(iter(self.networks.values())).runtime

    def infer(self, network: str, inputs: Arrays) -> Arrays:
        """Run the named network. Raises RuntimeFailed, also for a name that the card has not."""
        if network not in self.networks:
            raise RuntimeFailed(f"{self.id} has no network {network}; its card names {', '.join(self.networks)}")
        return self.networks[network].infer(inputs)

    def close(self) -> None:
        """Give memory back."""
        for network in self.networks.values():
            network.close()
