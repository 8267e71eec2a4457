"""Where figures of a GPU go: a line each, as soon as it is known, so that a lost machine costs no earlier one."""

import json
from pathlib import Path
from typing import Any

import torch


class Record:
    """Writes figures as they are known."""

    def __init__(self, file: Path, *, dry_run: bool) -> None:
        """Take the file of JSON lines, and whether this is a walk-through."""
        self._file = file
        self.dry_run = dry_run
        self.gpu = torch.cuda.is_available() and not dry_run

    def say(self, step: str, **values: Any) -> None:
        """Write one line, to the file and to the screen."""
        line = json.dumps({"step": step, "dry_run": self.dry_run, **values}, default=str)
        print(line, flush=True)  # noqa: T201
        with self._file.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
