"""The model directories of this machine: their cards, their checksums, their digests.

Imports neither numpy nor a runtime: the node's first process chooses models by it and stays small.
"""

import enum
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from models.card.card_network import Network
from models.card.manifest import Card, load_card
from models.errors import CardError, ChecksumMismatch, ModelError, ModelIncomplete, ModelTwice

CARD_FILE = "model.toml"

#: How ONNX's protobuf writes the entry `location` of TensorProto.external_data: key, its length, then a value.
_LOCATION = b"\x0a\x08location\x12"
_AT_ONCE = 1 << 20

#: From a card's ``[selection]`` to what is wrong with it; empty where it is understood.
WrongSelection = Callable[[Mapping[str, Any]], str]

#: The models whose cards ship with wetread.
BUILT_IN = Path(__file__).parent / "cards"


class ModelState(enum.Enum):
    """Whether a model can be loaded."""

    READY = "ready"  #: every file is here and is the one its card names
    INCOMPLETE = "incomplete"  #: weights by reference have not been fetched
    BROKEN = "broken"  #: a file is missing or is another than its card names, or two directories hold the model


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
        rivals: All directories of one path that hold a model with this id, where there are several.
    """

    card: Card
    directory: Path
    digest: str
    state: ModelState
    reason: str = ""
    rivals: tuple[Path, ...] = ()

    def require_ready(self) -> None:
        """Raise ModelIncomplete, ModelTwice or ChecksumMismatch unless the model can be loaded."""
        if self.rivals:
            raise ModelTwice(self.reason)
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
        model_id: The card's id, where that could be read.
    """

    directory: Path
    reason: str
    model_id: str = ""


@dataclass(frozen=True, kw_only=True)
class HiddenModel:
    """A model that is not used, because another path holds one with its id.

    Attributes:
        entry: What is not used.
        reason: Which one is, and why.
    """

    entry: CatalogEntry
    reason: str


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """The models of this machine; iterates over its entries in the order of their ids.

    Attributes:
        entries: By the card's id, in that order.
        unreadable: Directories whose card cannot be read.
        hidden: Models that another path's hide, but for those that only lack weights and were completed there.
    """

    entries: dict[str, CatalogEntry]
    unreadable: tuple[UnreadableModel, ...] = ()
    hidden: tuple[HiddenModel, ...] = ()

    @classmethod
    def scan(cls, paths: Sequence[Path], wrong_selection: WrongSelection = lambda _: "") -> "Catalog":
        """Read every ``<path>/*/model.toml``.

        Of two models with one id the later path's counts, unless only the earlier one's is ready. Two in one path are
        broken, whatever they are called: a copy made for safety must not become the model that reads. A path that is
        not there holds no models.

        Args:
            paths: Where models are looked for.
            wrong_selection: Says what is wrong with a card's ``[selection]``, which `models` does not read; a card in
                which something is wrong there is unreadable.
        """
        unreadable: list[UnreadableModel] = []
        entries: dict[str, CatalogEntry] = {}
        lost: list[CatalogEntry] = []
        for path in paths:
            for entry in _of_path(path, wrong_selection, unreadable):
                other = entries.get(entry.card.id)
                if other is None or _PREFERENCE[entry.state] >= _PREFERENCE[other.state]:
                    entries[entry.card.id] = entry
                    lost += [other] if other is not None else []
                else:
                    lost.append(entry)
        hidden = [HiddenModel(entry=each, reason=_why_hidden(each, entries[each.card.id])) for each in lost]
        return cls(
            entries=dict(sorted(entries.items())),
            unreadable=tuple(unreadable),
            hidden=tuple(each for each in hidden if each.reason),
        )

    def __iter__(self) -> Iterator[CatalogEntry]:
        """Iterate over all entries, by id."""
        return iter(self.entries.values())

    def __len__(self) -> int:
        """Count the entries."""
        return len(self.entries)

    def get(self, model_id: str) -> CatalogEntry:
        """Return the model with that id. Raises ModelError when there is none, CardError when its card is wrong."""
        if model_id not in self.entries:
            for wrong in self.unreadable:
                if model_id in (wrong.model_id, wrong.directory.name):
                    raise CardError(wrong.reason)
            known = ", ".join(self.entries) or "none"
            raise ModelError(
                f"no model has the id {model_id}; there are: {known} (`wetread models list`). Jobs of one that was "
                "removed or renamed are read once it is back under this id"
            )
        return self.entries[model_id]

    def ready(self) -> tuple[CatalogEntry, ...]:
        """Return the models that can be loaded, by id."""
        return tuple(entry for entry in self if entry.state is ModelState.READY)


def read_entry(directory: Path) -> CatalogEntry:
    """Read one model directory. Raises CardError when its card cannot be read."""
    card = load_card(directory / CARD_FILE)
    digest = hashlib.sha256(_digest_of_card(directory / CARD_FILE).encode())
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
        program = file.with_suffix(".pt2")
        try:
            found, elsewhere = sha256_of(file), data_elsewhere(file)
            exported = sha256_of(program) if network.pt2_sha256 is not None and program.is_file() else "none"
        except OSError as error:
            state = ModelState.BROKEN
            reason = f"{error.filename} cannot be read ({error.strerror}); mend its permissions or disk"
            continue
        digest.update(f"{name}={found};".encode())
        if network.pt2_sha256 is not None:
            digest.update(f"{name}.pt2={exported};".encode())
        if wrong := _not_as_said(network, file, found, exported, elsewhere=elsewhere):
            state, reason = ModelState.BROKEN, wrong
    lacking = [golden.file for golden in card.golden if not (directory / golden.file).is_file()]
    if lacking and state is not ModelState.BROKEN:
        state = ModelState.BROKEN
        reason = (
            f"{directory / lacking[0]} is missing, which proves the model on this machine, so it is not used; put it "
            "back, or import the model again"
        )
    return CatalogEntry(card=card, directory=directory, digest=digest.hexdigest(), state=state, reason=reason)


def _not_as_said(network: Network, file: Path, found: str, exported: str, *, elsewhere: bool) -> str:
    """Return what of a network's files is another than its card says; empty where nothing is."""
    if network.sha256 not in (None, found):
        return f"{file} has sha256 {found}, its card says {network.sha256}; fetch or import the model again"
    if network.pt2_sha256 not in (None, exported):
        program = file.with_suffix(".pt2")
        return f"{program} has sha256 {exported}, its card says {network.pt2_sha256}; import the model again"
    if elsewhere:
        return (
            f"{file} keeps weights in another file, which no checksum of the card covers; put them into it with "
            "`wetread models import onnx`"
        )
    return ""


def _digest_of_card(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError as error:  # read a moment ago, and removed or replaced since
        raise CardError(f"{file}: cannot be read ({error.strerror}); is the model being moved?") from error


def _of_path(path: Path, wrong_selection: WrongSelection, unreadable: list[UnreadableModel]) -> list[CatalogEntry]:
    """Return one entry for each id in a path; what cannot be read is added to `unreadable`."""
    found: dict[str, dict[Path, CatalogEntry]] = {}
    for directory in _directories_of(path, unreadable):
        card_file = directory / CARD_FILE
        try:
            card_file.stat()
            entry = read_entry(directory)
        except (FileNotFoundError, NotADirectoryError):
            continue  # no model
        except OSError as error:
            unreadable.append(UnreadableModel(directory=directory, reason=_not_ours(directory, error)))
            continue
        except CardError as error:
            unreadable.append(UnreadableModel(directory=directory, reason=str(error)))
            continue
        if wrong := wrong_selection(entry.card.selection):
            reason = f"{card_file}: {wrong}"
            unreadable.append(UnreadableModel(directory=directory, reason=reason, model_id=entry.card.id))
            continue
        # A link to a directory beside it, such as `current`, is not another model.
        found.setdefault(entry.card.id, {})[directory.resolve()] = entry
    return [_one_of(list(same.values())) for same in found.values()]


def _directories_of(path: Path, unreadable: list[UnreadableModel]) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        unreadable.append(UnreadableModel(directory=path, reason=_not_ours(path, error)))
        return []


def _not_ours(directory: Path, error: OSError) -> str:
    return (
        f"{directory} cannot be looked into ({error.strerror}), and whatever model is there is not used; was it put "
        "there by another user? Give it to the one that wetread runs as"
    )


def _one_of(same: Sequence[CatalogEntry]) -> CatalogEntry:
    """Return the only one, or one that is broken because there are several, under a digest that is none of theirs."""
    if len(same) == 1:
        return same[0]
    last, rivals = same[-1], tuple(entry.directory for entry in same)
    names = f"{', '.join(map(str, rivals[:-1]))} and {rivals[-1]}"
    count = "two" if len(same) == 2 else str(len(same))  # noqa: PLR2004  # a word for the commonest number
    worse = "".join(f"; of these, {entry.reason}" for entry in same if entry.reason)
    return replace(
        last,
        digest=hashlib.sha256(";".join(entry.digest for entry in same).encode()).hexdigest(),
        state=ModelState.BROKEN,
        reason=f"{count} directories hold model {last.card.id}, and none is used: {names}; keep one, and move the "
        f"others out of {last.directory.parent} or give their cards another id{worse}",
        rivals=rivals,
    )


def _why_hidden(lost: CatalogEntry, counts: CatalogEntry) -> str:
    """Return what counts instead; empty where it is the same model, here or with its weights fetched."""
    if lost.directory.resolve() == counts.directory.resolve():
        return ""
    if lost.state is ModelState.INCOMPLETE and lost.card == counts.card:
        return ""
    if _PREFERENCE[counts.state] > _PREFERENCE[lost.state]:
        return f"{counts.directory} counts: it is {counts.state.value}. {lost.directory} is not used: {lost.reason}"
    return (
        f"{counts.directory} counts: its path is later. {lost.directory} is not used; remove it or give it another id"
    )


def data_elsewhere(file: Path) -> bool:
    """Say whether an ONNX file names a file in which its weights lie. Raises OSError."""
    status = file.stat()
    return _data_elsewhere(file, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _data_elsewhere(file: Path, _size: int, _mtime_ns: int) -> bool:
    # Searched, not parsed: whoever chooses models has no ONNX, and a file may have 2 GiB.
    before = b""
    with file.open("rb") as stream:
        while part := stream.read(_AT_ONCE):
            if _LOCATION in before + part:
                return True
            before = part[-len(_LOCATION) :]
    return False


def sha256_of(file: Path) -> str:
    """Return a file's digest; that of one that has not changed is not computed again. Raises OSError."""
    status = file.stat()
    return _sha256(file, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _sha256(file: Path, _size: int, _mtime_ns: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
