"""When an archive is asked."""

from dicom_node.assembling.questions import Asked, Asking

ASKING = Asking(after_s=2, settle_s=5)


def test_the_first_question_comes_after_silence() -> None:
    """And none while an answer is waited for."""
    assert Asked().next_at(100, ASKING) == 102
    assert Asked().begun().next_at(100, ASKING) == float("inf")


def test_questions_become_rarer_while_the_archive_disagrees() -> None:
    """Twice as late each time, up to a minute."""
    asked, waits = Asked(), []
    for _ in range(7):
        asked = asked.begun().answered(100, ASKING, soon=False)
        waits.append(asked.next_at(0, ASKING) - 100)
    assert waits == [5, 10, 20, 40, 60, 60, 60]


def test_the_next_question_comes_soon_where_it_may_decide() -> None:
    """After an answer that was alike, or overtaken, and after another instance; after 2 s of silence all the same."""
    patient = Asked(answered_at=100, wait_s=60)
    assert patient.begun().answered(200, ASKING, soon=True).next_at(0, ASKING) == 205
    assert patient.arrived(ASKING).next_at(101, ASKING) == 105
    assert patient.arrived(ASKING).next_at(104, ASKING) == 106
