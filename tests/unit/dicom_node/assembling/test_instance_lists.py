"""Lists of instances are kept for a while, whoever sends them."""

import pytest

from dicom_node.assembling.instance_lists import MOST_NAMES, InstanceLists, objection


def names(*words: str) -> frozenset[str]:
    """Return a list."""
    return frozenset(words)


def test_a_list_is_kept_for_an_hour() -> None:
    """Then it is forgotten; each study's alone."""
    lists = InstanceLists()
    assert lists.keep("s", names("a"), 0)
    assert lists.keep("t", names("b"), 1800)
    lists.forget_old(3599)
    assert lists.of("s") == (names("a"),)
    lists.forget_old(3600)
    assert (lists.of("s"), lists.of("t")) == ((), (names("b"),))


def test_the_same_list_again_is_not_kept_twice() -> None:
    """A sender that repeats itself takes no room."""
    lists = InstanceLists()
    assert [lists.keep("s", names("a"), now) for now in (0, 1)] == [True, False]
    assert lists.of("s") == (names("a"),)


def test_of_one_study_the_latest_eight_are_kept() -> None:
    """The oldest gives way."""
    lists = InstanceLists()
    for number in range(10):
        assert lists.keep("s", names(str(number)), number)
    assert lists.of("s") == tuple(names(str(number)) for number in range(2, 10))


def test_in_all_no_more_names_are_kept_than_fit() -> None:
    """Whoever sends large lists pushes out the oldest ones, and a list larger than all that fits is not taken."""
    lists = InstanceLists()
    assert lists.keep("s", names("a"), 0)
    assert lists.keep("t", frozenset(map(str, range(MOST_NAMES - 1))), 1)
    assert lists.of("s") == (names("a"),)
    assert lists.keep("u", names("b"), 2)
    assert (lists.of("s"), len(lists.of("t")), lists.of("u")) == ((), 1, (names("b"),))
    assert not lists.keep("v", frozenset(map(str, range(MOST_NAMES + 1))), 3)
    assert not lists.keep("v", names(), 3)


@pytest.mark.parametrize(
    ("study", "uids"),
    [("1.2", []), ("1.2", ["1.2.3", "../x"]), ("", ["1.2.3"]), ("1.2", ["1" * 65]), ("1.2", ["٣"])],
)
def test_what_cannot_be_a_list_is_told_apart(study: str, uids: list[str]) -> None:
    """An empty list, and what is no UID, in words that quote nothing of it."""
    wrong = objection(study, uids)
    assert wrong
    assert "../x" not in wrong


def test_a_list_of_uids_is_one() -> None:
    """Nothing is wrong with it."""
    assert objection("1.2", ["1.2.3", "2.25.7"]) == ""
