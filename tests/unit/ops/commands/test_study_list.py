"""Lists of studies to pull."""

from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from ops.commands.study_list import studies_in
from ops.settings import SettingsError


def test_each_study_once_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed ones first; comments, blank lines, a byte order mark and line ends of Windows do not matter."""
    file = tmp_path / "list.txt"
    file.write_bytes(b"\xef\xbb\xbf# list\r\n1.2.3 # a\r\n\r\n  1.2.4\r\n1.2.3\r\n")
    assert studies_in(["1.9", "1.2.4"], file) == ["1.9", "1.2.4", "1.2.3"]
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(file.read_bytes()), encoding="utf-8"))
    assert studies_in([], Path("-")) == ["1.2.3", "1.2.4"]


@pytest.mark.parametrize("line", ["1.2,Canary^Bird", "1.2*", "1..2", "1" * 65, "*"])
def test_a_line_that_is_no_uid_is_named_and_not_quoted(tmp_path: Path, line: str) -> None:
    """A wildcard would pull everything; a name in a line is not repeated."""
    (tmp_path / "list.txt").write_text(f"1.2\n{line}\n")
    with pytest.raises(SettingsError, match=r"list\.txt, line 2: is no Study Instance UID") as error:
        studies_in([], tmp_path / "list.txt")
    assert "Canary" not in str(error.value)


def test_nothing_to_pull_is_told(tmp_path: Path) -> None:
    """An empty list, or a file that is none, says so."""
    (tmp_path / "empty").write_text("# nothing\n")
    with pytest.raises(SettingsError, match="no study to pull"):
        studies_in([], tmp_path / "empty")
    with pytest.raises(SettingsError, match="cannot be read as text"):
        studies_in([], tmp_path / "missing")
