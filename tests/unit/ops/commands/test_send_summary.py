"""What is told of files that were sent."""

from pathlib import Path

from dicom_node.archives.sender import OutcomeKind, StoreOutcome
from ops.commands.send_summary import SendSummary
from ops.commands.terminal import plain


def outcome(kind: OutcomeKind, status: int = 0, text: str = "") -> StoreOutcome:
    """Return what became of a file."""
    return StoreOutcome(sop_instance_uid="1.2", status=status, kind=kind, text=text)


def test_outcomes_are_counted_by_what_the_peer_said() -> None:
    """Comments of the peer differ from file to file and may quote a patient: the status is what is counted."""
    summary = SendSummary()
    for number in range(3):
        summary.add(Path(f"{number}"), outcome(OutcomeKind.REFUSED, 0xA700, f"status A700: Canary^{number}"))
    summary.add(Path("a"), outcome(OutcomeKind.ACCEPTED))
    summary.add(Path("b"), outcome(OutcomeKind.WARNING, 0xB006))
    assert summary.line() == "1 accepted, 1 warning, 3 refused"
    assert {(reason.status, count) for reason, count in summary.counts.items()} == {(0xA700, 3), (0, 1), (0xB006, 1)}
    assert "Canary" not in repr(summary)
    assert summary.table().row_count == 2
    assert not summary.ok


def test_what_is_skipped_is_no_failure_and_no_success() -> None:
    """Beside files that were sent it does not matter; alone there was nothing to send."""
    summary = SendSummary()
    summary.add(Path("a.txt"), outcome(OutcomeKind.SKIPPED, text="no DICM"))
    assert not summary.ok
    summary.add(Path("a"), outcome(OutcomeKind.DUPLICATE, 0x0111))
    assert summary.ok


def test_a_damaged_file_is_a_failure() -> None:
    """Everything else was sent, and still somebody has to look."""
    summary = SendSummary()
    summary.add(Path("a"), outcome(OutcomeKind.ACCEPTED))
    summary.add(Path("b"), outcome(OutcomeKind.UNREADABLE, text="damaged"))
    assert not summary.ok


def test_what_was_not_sent_is_counted_too() -> None:
    """A peer that is away has got nothing of what there was to send."""
    summary = SendSummary()
    assert summary.line() == "nothing to send"
    assert summary.line(unsent=12) == "12 not sent"
    summary.add(Path("a"), outcome(OutcomeKind.ACCEPTED))
    assert summary.line(unsent=11) == "1 accepted, 11 not sent"


def test_no_name_from_outside_steers_the_terminal() -> None:
    """A file's name in a zip file may be anything."""
    assert plain("a\x1b[2Jb\nc\u202ed") == "a?[2Jb?c?d"
