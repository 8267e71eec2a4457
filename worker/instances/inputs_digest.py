"""The digest of what a job reads: the same UIDs with the same bytes are the same input. Nothing is decoded."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from dicom_node.datasets.head import read_head
from dicom_node.datasets.part10 import mapped, meta_in


def by_folder(files: Sequence[Path]) -> list[list[Path]]:
    """Return files grouped by their folder, which in the spool is their series, in the order in which these come."""
    groups: dict[Path, list[Path]] = {}
    for file in files:
        groups.setdefault(file.parent, []).append(file)
    return list(groups.values())


def digest_of_series(instances: Iterable[tuple[str, str]]) -> str:
    """Return the digest of a series, of the pairs of SOP Instance UID and sha256 (hex) of the dataset's bytes."""
    return _hashed(f"{uid} {digest}" for uid, digest in sorted(instances))


def digest_of_channels(series: Sequence[str]) -> str:
    """Return the digest of one or several series that are read together, of the digests of each."""
    return series[0] if len(series) == 1 else _hashed(series)


def digest_of_files(files: Sequence[Path]) -> str:
    """Return the digest that a job would record that read these files now. Raises NodeError, OSError."""
    return digest_of_channels([digest_of_series(map(_instance, series)) for series in by_folder(files)])


def _instance(file: Path) -> tuple[str, str]:
    with mapped(file) as view:
        meta = meta_in(file, view)
        with view[meta.dataset_start :] as dataset:
            uid = read_head(dataset, meta.transfer_syntax_uid).sop_instance_uid or ""
            return uid, hashlib.sha256(dataset).hexdigest()


def _hashed(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
