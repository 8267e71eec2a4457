"""`wetread pull`, where it ends before its list does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.archives.archive import DicomArchive
from dicom_node.pulling.pulling import Pulled
from ops.commands.backlog import Watcher
from tests.unit.ops.test_cli import ask


@pytest.mark.parametrize("under_way", [0, 2])
def test_who_interrupts_a_pull_is_told_what_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, under_way: int
) -> None:
    """The studies that are not whole with why, and how many are; of the one under way how much."""

    def pulled(_: object, __: object, watcher: Watcher) -> Iterator[tuple[str, Pulled]]:
        watcher.step(3)
        yield "1.2.1", Pulled(instances=3)
        watcher.step(1)
        yield "1.2.2", Pulled(instances=1, why="the archive sent 1", remedy="look at its log")
        watcher.begun(5)
        for taken in range(under_way):
            watcher.step(taken + 1)
        raise KeyboardInterrupt

    monkeypatch.setattr("ops.commands.backlog.pull_studies", pulled)
    monkeypatch.setattr(DicomArchive, "echo", lambda _: None)
    done = ask(tmp_path, "pull", "1.2.1", "1.2.2", "1.2.3", "--from", "PACS@127.0.0.1:9", "--to", "N@127.0.0.1:9")
    assert done.exit_code == 130
    assert "1 of 3 studies are there, 4 instances" in done.stdout
    assert ("2 instances of the study that was under way" in done.stdout) == bool(under_way)
    assert "the archive sent 1" in done.stdout
