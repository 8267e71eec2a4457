"""`wetread retention`, where something stays that should go."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.daemons.retention import Retention, Verdict
from tests.unit.ops.test_cli import ask
from worker.jobs.retention import Keeping
from worker.ledger.ledger import Ledger


@pytest.mark.parametrize("remove", [("--remove",), ()])
@pytest.mark.parametrize("failed", [True, False])
def test_a_study_in_trouble_is_in_the_exit_status(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    remove: tuple[str, ...],
    failed: bool,  # noqa: FBT001
) -> None:
    """A script that clears the disk each night must notice; that a study stays since it waits is no trouble."""

    def once(_: Retention, *, dry_run: bool = False) -> Iterator[Verdict]:
        del dry_run
        yield Verdict(study_instance_uid="1.2.1", what=None, why="Is a directory", failed=failed)
        yield Verdict(study_instance_uid="1.2.2", what=Keeping.IMAGES, freed_bytes=3)

    Ledger.open(f"sqlite:///{tmp_path}/ledger.sqlite3").close()
    monkeypatch.setattr(Retention, "once", once)
    done = ask(tmp_path, "retention", *remove)
    assert done.exit_code == int(failed)
    assert "Is a directory" in done.stdout
    assert "1 removed" in done.stdout or not remove
