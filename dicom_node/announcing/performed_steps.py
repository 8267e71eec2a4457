"""Performed procedure steps between N-CREATE and the end: a small file each, for all receiving processes.

They are not synced, and the oldest go when there are too many: a step that is forgotten means only that its study is
complete by the other rules.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dicom_node.spooling.durable_note import write_note
from dicom_node.spooling.spool_layout import name_of

#: A day of a large hospital.
_MOST_STEPS = 2000


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step that somebody has created.

    Attributes:
        study_instance_uids: That it is done for.
        sop_instance_uids: What it has made, as far as it was told.
        over: Whether it is completed or discontinued; then it changes no more.
    """

    study_instance_uids: frozenset[str]
    sop_instance_uids: frozenset[str] = frozenset()
    over: bool = False


_ADAPTER = TypeAdapter(Step)


class PerformedSteps:
    """The steps of a spool, by SOP Instance UID; for many threads and processes. Every method raises OSError."""

    def __init__(self, spool: Path) -> None:
        """Take the spool's directory; nothing is made before it is needed."""
        self._folder = spool / "steps"

    def create(self, sop_instance_uid: str, step: Step) -> bool:
        """Keep a new step; return False where there is one of this UID."""
        if self.find(sop_instance_uid) is not None:
            return False
        self._folder.mkdir(exist_ok=True)
        self._make_room()
        self.change(sop_instance_uid, step)
        return True

    def find(self, sop_instance_uid: str) -> Step | None:
        """Return a step; None where there is none (any more), or its file is not one of ours."""
        try:
            return _ADAPTER.validate_json(self._file(sop_instance_uid).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def change(self, sop_instance_uid: str, step: Step) -> None:
        """Keep a step as it is now."""
        write_note(self._file(sop_instance_uid), _ADAPTER.dump_json(step), durable=False)

    def _file(self, sop_instance_uid: str) -> Path:
        return self._folder / f"{name_of(sop_instance_uid)}.json"

    def _make_room(self) -> None:
        files = list(self._folder.glob("*.json"))
        if len(files) >= _MOST_STEPS:
            for _, file in sorted((_changed_at(file), file) for file in files)[: len(files) - _MOST_STEPS + 1]:
                file.unlink(missing_ok=True)


def _changed_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
