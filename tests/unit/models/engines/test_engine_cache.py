"""Engines are built once, checked at every load, and never foreign."""

import errno
import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from models.engines.engine_cache import EngineCache, EngineKey

KEY = EngineKey(
    onnx_sha256="0" * 64,
    flavour="tensorrt",
    version="11.4.0.106",
    precision="fp16",
    shapes=("input (1, 1, 96, 96, 96)",),
    flags=("strongly-typed",),
    target="NVIDIA H200, 9.0, driver 13000",
)


def _build_slowly(root: Path, counter: Path) -> None:
    def build() -> bytes:
        with counter.open("a") as stream:
            stream.write(f"{os.getpid()}\n")
        return b"engine " * 100_000

    assert EngineCache(root).get(KEY, build) == b"engine " * 100_000


def test_an_engine_is_built_once(tmp_path: Path) -> None:
    """The second time it comes from the disk, also for another process's cache object."""
    built: list[int] = []
    for _ in range(2):
        assert EngineCache(tmp_path).get(KEY, lambda: built.append(1) or b"engine") == b"engine"
    assert built == [1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_processes_build_it_once(tmp_path: Path) -> None:
    """Whoever comes second waits for the first and takes its engine."""
    counter, context = tmp_path / "built", multiprocessing.get_context("spawn")
    processes = [context.Process(target=_build_slowly, args=(tmp_path / "cache", counter)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len(counter.read_text().split()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"onnx_sha256": "1" * 64},
        {"flavour": "tensorrt-rtx"},
        {"version": "11.4.0.107"},
        {"precision": "fp32"},
        {"shapes": ("input (1, 1, 128, 128, 128)",)},
        {"flags": ()},
        {"target": "NVIDIA L4, 8.9, driver 13000"},
        {"target": "NVIDIA H200, 9.0, driver 13010"},
    ],
    ids=str,
)
def test_what_an_engine_depends_on_makes_another_engine(tmp_path: Path, change: dict[str, str]) -> None:
    """Another network, version, precision, shape, flag, GPU or driver is built anew; the first one stays."""
    cache = EngineCache(tmp_path)
    cache.get(KEY, lambda: b"first")
    assert cache.get(replace(KEY, **change), lambda: b"second") == b"second"  # type: ignore[arg-type]
    assert cache.get(KEY, lambda: b"never") == b"first"


@pytest.mark.parametrize("damage", ["flipped", "truncated", "no record", "another record", "no JSON"])
def test_a_damaged_engine_is_built_anew(tmp_path: Path, damage: str) -> None:
    """An engine whose bytes are not the recorded ones, or whose record is not its own, is never loaded."""
    cache, told = EngineCache(tmp_path), []
    cache.get(KEY, lambda: b"engine")
    engine, record = tmp_path / f"{KEY.digest}.engine", tmp_path / f"{KEY.digest}.json"
    if damage == "flipped":
        engine.write_bytes(b"engime")
    elif damage == "truncated":
        engine.write_bytes(b"eng")
    elif damage == "no record":
        record.unlink()
    elif damage == "another record":
        content = json.loads(record.read_text())
        content["key"]["target"] = "NVIDIA L4, 8.9, driver 13000"
        record.write_text(json.dumps(content))
    else:
        record.write_text("{")
    assert cache.get(KEY, lambda: b"new", told=told.append) == b"new"
    assert len(told) == (damage != "no record")
    assert cache.get(KEY, lambda: b"never") == b"new"


def test_an_engine_that_did_not_prove_itself_is_forgotten(tmp_path: Path) -> None:
    """What is forgotten is built anew the next time."""
    cache = EngineCache(tmp_path)
    cache.get(KEY, lambda: b"wrong")
    cache.forget(KEY)
    assert cache.get(KEY, lambda: b"right") == b"right"


def test_an_engine_that_cannot_be_kept_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the engine that took minutes runs, it is told, and the next one who asks builds again."""

    def full(_file: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    told: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("models.engines.engine_cache.write_durably", full)
        assert EngineCache(tmp_path).get(KEY, lambda: b"engine", told=told.append) == b"engine"
    assert len(told) == 1
    assert "No space left" in told[0]
    assert EngineCache(tmp_path).get(KEY, lambda: b"another") == b"another"


def test_a_build_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """What the builder raises is raised, and the next one may try."""

    def fail() -> bytes:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        EngineCache(tmp_path).get(KEY, fail)
    assert [file.suffix for file in tmp_path.iterdir()] == [".lock"]
    assert EngineCache(tmp_path).get(KEY, lambda: b"engine") == b"engine"
