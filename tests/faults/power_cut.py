"""What is on a disk after a power cut: only what was synced, as the journal of `journalled_disk` has it.

A file has its bytes up to where it was last synced. A name is there, or gone, as its folder was last synced; and a name
in a folder whose own name is not there is not there.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self


@dataclass(eq=False, kw_only=True)
class _Node:
    """A file or a folder, whatever its names are.

    Attributes:
        synced_bytes: Of a file: so much of it is on the disk.
        names: Of a folder: what is in it.
        synced_names: Of a folder: what is in it on the disk.
        synced_at: Of a folder: the line of the journal that its last sync began with.
    """

    synced_bytes: int = 0
    names: dict[str, Self] | None = None
    synced_names: dict[str, Self] = field(default_factory=dict)
    synced_at: int = -1


class PowerCut:
    """A folder and the journal of what happens in it; at first all that is there is on the disk."""

    def __init__(self, root: Path, journal: Path, *, within: str) -> None:
        """Look at what is there, and begin the journal anew; of the folder only this part is to suffer."""
        self._root = root
        self._within = within
        self._journal = journal
        self._begin()

    def happen(self) -> int:
        """Leave what is on the disk; return how many names were lost. Nobody may write meanwhile."""
        for number, line in enumerate(self._journal.read_text().splitlines()):
            event, *values = line.split("\t")
            self._replay(number, event, values)
        node, folder = self._tree, self._root
        for name in Path(self._within).parts:
            assert name in node.synced_names, f"{folder / name} itself is not on the disk"
            node, folder = node.synced_names[name], folder / name
        lost = self._restore(node, folder)
        self._begin()
        return lost

    def _begin(self) -> None:
        self._syncs: dict[str, tuple[_Node, int, int, dict[str, _Node]]] = {}
        self._tree = _scanned(self._root)
        self._journal.write_bytes(b"")

    def _replay(self, number: int, event: str, values: list[str]) -> None:
        match event, values:
            case "create", [path]:
                self._names(path).setdefault(Path(path).name, _Node())
            case "mkdir", [path]:
                if path != str(self._root):
                    self._names(path).setdefault(Path(path).name, _Node(names={}))
            case "link", [source, target]:
                self._names(target)[Path(target).name] = self._names(source)[Path(source).name]
            case "rename", [source, target]:
                self._names(target)[Path(target).name] = self._names(source).pop(Path(source).name)
            case "unlink", [path]:
                self._names(path).pop(Path(path).name, None)
            case _:
                self._replay_sync(number, event, values)

    def _replay_sync(self, number: int, event: str, values: list[str]) -> None:
        match event, values:
            case "syncing", [serial, path, size]:
                node = self._find(path)
                if node is not None:
                    self._syncs[serial] = (node, number, int(size), dict(node.names or {}))
            case "synced", [serial]:
                if serial in self._syncs:
                    _sync(*self._syncs.pop(serial))
            case _:
                raise ValueError(f"line {number} of the journal is not understood: {event}")

    def _find(self, path: str) -> _Node | None:
        node: _Node | None = self._tree
        for name in Path(path).relative_to(self._root).parts:
            node = (node.names or {}).get(name) if node is not None else None
        return node

    def _names(self, path: str) -> dict[str, _Node]:
        folder = self._find(str(Path(path).parent))
        assert folder is not None, f"the journal does not tell of the folder of {path}"
        assert folder.names is not None
        return folder.names

    def _restore(self, node: _Node, folder: Path) -> int:
        there = {path.name: path for path in folder.iterdir()}
        lost = 0
        for name in there.keys() - node.synced_names.keys():
            lost += 1
            path = there[name]
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, entry in node.synced_names.items():
            path = folder / name
            if entry.names is not None:
                path.mkdir(exist_ok=True)
                lost += self._restore(entry, path)
                continue
            if not path.exists():
                path.write_bytes(bytes(entry.synced_bytes))  # removed, and its folder not synced since
            with path.open("r+b") as file:
                file.truncate(min(entry.synced_bytes, path.stat().st_size))
        return lost


def _scanned(path: Path) -> _Node:
    if not path.is_dir():
        return _Node(synced_bytes=path.stat().st_size)
    names = {entry.name: _scanned(entry) for entry in path.iterdir()}
    return _Node(names=names, synced_names=dict(names))


def _sync(node: _Node, number: int, size: int, names: dict[str, _Node]) -> None:
    if node.names is None:
        node.synced_bytes = max(node.synced_bytes, size)
    elif number > node.synced_at:
        node.synced_names, node.synced_at = names, number
