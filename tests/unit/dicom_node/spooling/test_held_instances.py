"""What the node has promised to keep: held durably, seen by whoever removes, let go by whoever may."""

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.spooling.held_instances import HeldInstances

A, B = "a" * 32, "b" * 32
FILES = [
    f"{study}/{series}/{instance}.dcm" for study in (A, B) for series in (A, B) for instance in (A, B + "~" + "c" * 16)
]


def test_held_is_held_until_released(tmp_path: Path) -> None:
    """Over another object, as over another process; a study's own files alone."""
    assert HeldInstances(tmp_path).hold(FILES, lambda _: True) == frozenset(FILES)
    held = HeldInstances(tmp_path)
    assert held.of_study(A) == frozenset(FILES[:4])
    held.release(FILES[:2])
    assert HeldInstances(tmp_path).of_study(A) == frozenset(FILES[2:4])
    held.release(FILES)
    assert held.of_study(A) == held.of_study(B) == frozenset()
    assert [path.name for path in (tmp_path / "commitment" / "held").iterdir()] == []


def test_what_is_gone_is_not_held(tmp_path: Path) -> None:
    """Whether it is there is asked under the lock."""
    held = HeldInstances(tmp_path)
    assert held.hold(FILES, lambda file: file == FILES[3]) == frozenset(FILES[3:4])
    assert held.of_study(A) == frozenset(FILES[3:4])


@given(st.integers(1, 68))
def test_half_a_line_is_none(cut: int) -> None:
    """What a crash left is no instance, and does not spoil the line that is written behind it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        held = HeldInstances(folder)
        held.hold(FILES[:2], lambda _: True)
        file = folder / "commitment" / "held" / A
        whole = file.read_bytes()
        file.write_bytes(whole[: -cut - 1])
        assert held.of_study(A) < frozenset(FILES[:2])
        held.hold(FILES[2:4], lambda _: True)
        assert held.of_study(A) >= frozenset(FILES[2:4])


def test_only_files_of_the_spool_are_held(tmp_path: Path) -> None:
    """Names come from the spool; anything else is a mistake."""
    with pytest.raises(ValueError, match="no instance"):
        HeldInstances(tmp_path).hold(["../etc/passwd"], lambda _: True)


def test_nothing_is_held_while_somebody_removes(tmp_path: Path) -> None:
    """Who removes sees what is held, and who holds sees what was removed: never both think otherwise."""
    held, gone, result = HeldInstances(tmp_path), set[str](), list[frozenset[str]]()
    holding = threading.Thread(
        target=lambda: result.append(HeldInstances(tmp_path).hold(FILES[:1], lambda file: file not in gone))
    )
    with held.removing_from(A) as kept:
        assert kept == frozenset()
        holding.start()
        holding.join(0.2)
        assert holding.is_alive()
        gone.add(FILES[0])
    holding.join(30)
    assert result == [frozenset()]


def test_who_removes_files_may_ask_about_them(tmp_path: Path) -> None:
    """Whoever is asked takes the same lock, in the same thread."""
    held = HeldInstances(tmp_path)
    with held.removing_from(A), HeldInstances(tmp_path).removing_from(A) as kept:
        assert kept == frozenset()
    assert held.hold(FILES[:1], lambda _: True)
