"""Engines on this machine's disk: built once, by one process, checked at every load, and never a foreign one."""

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from models.durable_file import write_durably


@dataclass(frozen=True, kw_only=True)
class EngineKey:
    """All that an engine depends on; another value of any of these is another engine.

    Attributes:
        onnx_sha256: Of the network, in the precision that it is built in.
        flavour: ``tensorrt`` or ``tensorrt-rtx``.
        version: The builder's full version.
        precision: What the network computes in.
        shapes: Smallest, usual and largest shape of each input, as text.
        flags: Settings of the builder that alter the engine.
        target: For ``tensorrt`` the GPU's name, compute capability and driver; for ``tensorrt-rtx`` the compute
            capabilities that it is built for.
    """

    onnx_sha256: str
    flavour: str
    version: str
    precision: str
    shapes: tuple[str, ...]
    flags: tuple[str, ...]
    target: str

    @property
    def digest(self) -> str:
        """sha256 (hex) over all of it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


class EngineCache:
    """A directory of engines. Its methods raise OSError where it cannot be made or read."""

    def __init__(self, root: Path) -> None:
        """Take the directory; it is made when the first engine is kept."""
        self.root = root

    def get(self, key: EngineKey, build: Callable[[], bytes], *, told: Callable[[str], None] = lambda _: None) -> bytes:
        """Return the engine, from the disk where it is there and whole, else built and kept.

        Two processes that ask at once build it once: the second one waits for the first.

        Args:
            key: What it depends on.
            build: Builds it; what it raises is raised.
            told: Is told why an engine that was there was not taken, or one that was built not kept.
        """
        with self._locked(key):
            engine = self._kept(key, told)
            if engine is None:
                engine = build()
                self._keep(key, engine, told)
            return engine

    def forget(self, key: EngineKey) -> None:
        """Remove an engine that did not prove itself."""
        with self._locked(key):
            self._record(key).unlink(missing_ok=True)
            self._engine(key).unlink(missing_ok=True)

    def _keep(self, key: EngineKey, engine: bytes, told: Callable[[str], None]) -> None:
        record = {"key": asdict(key), "sha256": hashlib.sha256(engine).hexdigest()}
        try:
            write_durably(self._engine(key), engine)
            # Last: an engine without its record does not count.
            write_durably(self._record(key), json.dumps(record, indent=1, sort_keys=True).encode())
        except OSError as error:
            # It took minutes to build and is as good as any; only the next load pays again.
            told(f"{self._engine(key).name} could not be kept ({error.strerror}): the next load builds it anew")

    def _kept(self, key: EngineKey, told: Callable[[str], None]) -> bytes | None:
        try:
            record = json.loads(self._record(key).read_text(encoding="utf-8"))
            engine = self._engine(key).read_bytes()
        except FileNotFoundError:
            return None
        except ValueError:
            record, engine = {}, b""
        wanted = json.loads(json.dumps(asdict(key)))
        if not isinstance(record, dict) or record.get("key") != wanted:
            told(f"{self._engine(key).name} has no record of its own: built anew")
            return None
        if record.get("sha256") != hashlib.sha256(engine).hexdigest():
            told(f"{self._engine(key).name} is damaged: built anew")
            return None
        return engine

    @contextmanager
    def _locked(self, key: EngineKey) -> Iterator[None]:
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The lock's file stays: removing it would let two processes hold two locks of one name.
        with (self.root / f"{key.digest}.lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def _engine(self, key: EngineKey) -> Path:
        return self.root / f"{key.digest}.engine"

    def _record(self, key: EngineKey) -> Path:
        return self.root / f"{key.digest}.json"
