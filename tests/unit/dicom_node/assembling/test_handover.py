"""What the store is told waits for nothing else for long."""

from dicom_node.assembling.handover import Errand, Handover
from dicom_node.testing import ManualClock


def test_a_round_ends_after_about_a_second() -> None:
    """What is heard meanwhile is taken between two; nothing is forgotten."""
    clock, done = ManualClock(), list[int]()
    handover = Handover(clock)

    def slow(number: int) -> None:
        clock.advance(0.4)
        done.append(number)

    for number in range(5):
        handover.add(Errand.ADOPT, f"{number}", lambda number=number: slow(number))
    handover.run_due()
    assert done == [0, 1, 2]
    assert handover.next_due() is not None
    handover.run_due()
    assert done == [0, 1, 2, 3, 4]
    assert handover.next_due() is None


def test_a_complete_study_does_not_wait_for_looks_at_others() -> None:
    """After a start there is one for each folder of the spool."""
    clock, done = ManualClock(), list[Errand]()
    handover = Handover(clock)
    handover.add(Errand.ADOPT, "1", lambda: done.append(Errand.ADOPT))
    clock.advance(5)
    handover.add(Errand.CLOSE, "2", lambda: done.append(Errand.CLOSE))
    handover.run_due()
    assert done == [Errand.CLOSE, Errand.ADOPT]


def test_what_is_not_due_keeps_nothing_that_is() -> None:
    """Whatever it is."""
    clock, done = ManualClock(), list[Errand]()
    handover = Handover(clock)
    handover.add(Errand.CLOSE, "1", lambda: done.append(Errand.CLOSE), after_s=5)
    handover.add(Errand.ADOPT, "2", lambda: done.append(Errand.ADOPT))
    handover.run_due()
    assert done == [Errand.ADOPT]
    clock.advance(5)
    handover.run_due()
    assert done == [Errand.ADOPT, Errand.CLOSE]
