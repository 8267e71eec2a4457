"""The model directories of this machine: their cards, their checksums, their digests.

Imports neither numpy nor a runtime: the receiving process chooses models by it and stays small.
"""

import enum
import functools
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.errors import CardError, ChecksumMismatch, ModelError, ModelIncomplete
from models.manifest import Card, load_card

CARD_FILE = "model.toml"

#: The models whose cards ship with wetread.
BUILT_IN = Path(__file__).parent / "cards"


class ModelState(enum.Enum):
    """Whether a model can be loaded."""

    READY = "ready"  #: every file is here and is the one its card names
    INCOMPLETE = "incomplete"  #: weights by reference have not been fetched
    BROKEN = "broken"  #: a file is missing or is another than its card names


# A model that can be used hides one that cannot; one that somebody broke must not hide behind one never fetched.
_PREFERENCE = {ModelState.READY: 2, ModelState.BROKEN: 1, ModelState.INCOMPLETE: 0}


@dataclass(frozen=True, kw_only=True)
class CatalogEntry:
    """A model directory.

    Attributes:
        card: What it says of itself.
        directory: Where it lies.
        digest: sha256 (hex) over the card's file and those of its networks that are here.
        state: Whether it can be loaded.
        reason: Why it cannot, with the remedy; empty when ready.
    """

    card: Card
    directory: Path
    digest: str
    state: ModelState
    reason: str = ""

    def require_ready(self) -> None:
        """Raise ModelIncomplete or ChecksumMismatch unless the model can be loaded."""
        if self.state is ModelState.INCOMPLETE:
            raise ModelIncomplete(self.reason)
        if self.state is ModelState.BROKEN:
            raise ChecksumMismatch(self.reason)


@dataclass(frozen=True, kw_only=True)
class UnreadableModel:
    """A directory whose card cannot be read.

    Attributes:
        directory: Where it lies.
        reason: The CardError's words.
    """

    directory: Path
    reason: str


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """The models of this machine; iterates over its entries in the order of their ids.

    Attributes:
        entries: By the card's id, in that order.
        unreadable: Directories whose card cannot be read.
    """

    entries: dict[str, CatalogEntry]
    unreadable: tuple[UnreadableModel, ...] = ()

    @classmethod
    def scan(cls, paths: Sequence[Path]) -> "Catalog":
        """Read every ``<path>/*/model.toml``.

        Of two models with one id the later path's counts, unless only the earlier one's is ready. A path that is not
        there holds no models.
        """
        entries: dict[str, CatalogEntry] = {}
        unreadable = []
        for card_file in (file for path in paths for file in sorted(path.glob(f"*/{CARD_FILE}"))):
            try:
                entry = read_entry(card_file.parent)
            except CardError as error:
                unreadable.append(UnreadableModel(directory=card_file.parent, reason=str(error)))
                continue
            other = entries.get(entry.card.id)
            if other is None or _PREFERENCE[entry.state] >= _PREFERENCE[other.state]:
                entries[entry.card.id] = entry
        return cls(entries=dict(sorted(entries.items())), unreadable=tuple(unreadable))

    def __iter__(self) -> Iterator[CatalogEntry]:
        """Iterate over all entries, by id."""
        return iter(self.entries.values())

    def __len__(self) -> int:
        """Count the entries."""
        return len(self.entries)

    def get(self, model_id: str) -> CatalogEntry:
        """Return the model with that id. Raises ModelError when there is none."""
        if model_id not in self.entries:
            known = ", ".join(self.entries) or "none"
            raise ModelError(f"no model has the id {model_id}; there are: {known} (`wetread models list`)")
        return self.entries[model_id]

    def ready(self) -> tuple[CatalogEntry, ...]:
        """Return the models that can be loaded, by id."""
        return tuple(entry for entry in self if entry.state is ModelState.READY)


def read_entry(directory: Path) -> CatalogEntry:
    """Read one model directory. Raises CardError when its card cannot be read."""
    card = load_card(directory / CARD_FILE)
    digest = hashlib.sha256(sha256_of(directory / CARD_FILE).encode())
    state, reason = ModelState.READY, ""
    for name, network in sorted(card.networks.items()):
        file = directory / network.file
        if not file.is_file():
            if network.weights is None:
                state, reason = ModelState.BROKEN, f"{file} is missing; import the model again"
            elif state is ModelState.READY:
                state = ModelState.INCOMPLETE
                reason = f"{card.id}: the weights of network {name} are not here; run `wetread models fetch {card.id}`"
            continue
        try:
            found = sha256_of(file)
        except OSError as error:
            state, reason = ModelState.BROKEN, f"{file} cannot be read ({error.strerror}); mend its permissions or disk"
            continue
        digest.update(f"{name}={found};".encode())
        if network.pt2_sha256 is not None:
            program = file.with_suffix(".pt2")
            exported = sha256_of(program) if program.is_file() else "none"
            digest.update(f"{name}.pt2={exported};".encode())
            if exported != network.pt2_sha256:
                state = ModelState.BROKEN
                reason = f"{program} has sha256 {exported}, its card says {network.pt2_sha256}; import the model again"
        if network.sha256 is not None and found != network.sha256:
            state = ModelState.BROKEN
            reason = f"{file} has sha256 {found}, its card says {network.sha256}; fetch or import the model again"
    return CatalogEntry(card=card, directory=directory, digest=digest.hexdigest(), state=state, reason=reason)


def sha256_of(file: Path) -> str:
    """Return a file's digest; that of one that has not changed is not computed again. Raises OSError."""
    status = file.stat()
    return _sha256(file, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _sha256(file: Path, _size: int, _mtime_ns: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
