"""A study that still collects: what is held, counted and listed of it and of each of its series."""

import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_node.assembling.open_study import OpenStudy, longest
from dicom_node.study import Completion
from tests.unit.dicom_node.study_orders import ASKING, ORDERS, TIMING, Order, World, random_order, store


def completion(study: OpenStudy) -> Completion | None:
    """Return why it closed."""
    return study.closed.completion if study.closed is not None else None


def two_counts(study: OpenStudy, counts: dict[str, int | None], now: float) -> None:
    """Give the same answer twice, the settle time apart."""
    for asked_at in (now, now + 5.1):
        study.counted(counts, asked_at, asked_at + 0.1, ASKING)


def test_only_series_that_were_received_count() -> None:
    """What the archive holds beside them, such as our own results there, does not matter."""
    study = OpenStudy({})
    store(study, "a", "1", 0)
    store(study, "a", "2", 1)
    two_counts(study, {"a": 2, "seg": 1, "sr": 1}, 3)
    assert completion(study) is Completion.COUNTED


@pytest.mark.parametrize("counts", [{"a": 1}, {"a": 3}, {"a": None}, {}, {"b": 2}])
def test_a_series_that_differs_is_waited_for(counts: dict[str, int | None]) -> None:
    """More, fewer, none, and a series that the archive does not count: none of them is equal."""
    study = OpenStudy({})
    store(study, "a", "1", 0)
    store(study, "a", "2", 1)
    two_counts(study, counts, 3)
    assert study.closed is None
    study.tick(31)
    assert completion(study) is Completion.QUIET


def test_an_instance_that_comes_again_counts_once() -> None:
    """The same instance again, or another version of it, is one instance of the archive's."""
    study = OpenStudy({})
    for now in (0, 1):
        store(study, "a", "1", now)
    two_counts(study, {"a": 1}, 3)
    assert completion(study) is Completion.COUNTED


def test_a_later_revision_counts_what_earlier_ones_hold() -> None:
    """The archive's numbers are those of the whole study, not of what came since the last revision."""
    study = OpenStudy({"a": ["1", "2"], "b": ["3"]})
    store(study, "a", "4", 0)
    two_counts(study, {"a": 3, "b": 1}, 3)
    assert completion(study) is Completion.COUNTED


def test_a_list_of_what_is_held_closes_when_it_comes() -> None:
    """A list of exactly what has come closes at once; one that names less or more does not."""
    study = OpenStudy({})
    store(study, "a", "1", 0)
    store(study, "b", "2", 0)
    for names in ({"1"}, {"1", "2", "3"}, {"1", "3"}):
        study.listed([frozenset(names)], 1)
        assert study.closed is None
    study.listed([frozenset({"1", "2"})], 1)
    assert completion(study) is Completion.LISTED


def test_a_list_closes_when_its_last_instance_comes() -> None:
    """A list that came before everything it names waits for the last of it."""
    lists = [frozenset({"1", "2"})]
    study = OpenStudy({})
    store(study, "a", "2", 0, lists=lists)
    assert study.closed is None
    store(study, "b", "1", 1, lists=lists)
    assert completion(study) is Completion.LISTED


def test_the_longest_waits_of_the_senders_hold() -> None:
    """A study that came from two senders is waited for as the slower of them needs it; each wait by itself."""
    slow, capped = replace(TIMING, quiet_time_s=50), replace(TIMING, hard_cap_s=700)
    assert longest(slow, capped) == replace(TIMING, quiet_time_s=50, hard_cap_s=700)
    study = OpenStudy({})
    store(study, "a", "1", 0, timing=slow)
    store(study, "a", "2", 1)
    study.tick(50.9)
    assert study.closed is None
    study.tick(51)
    assert completion(study) is Completion.QUIET


def test_the_archive_of_the_latest_sender_is_asked() -> None:
    """Whose sender has no archive to be asked, asks none."""
    study = OpenStudy({})
    store(study, "a", "1", 0)
    store(study, "a", "2", 1, archive="")
    assert not study.question(20, ASKING)
    store(study, "a", "3", 20, archive="other")
    assert (study.question(22, ASKING), study.archive) == (True, "other")


def test_a_sender_without_an_archive_ends_the_questions() -> None:
    """Also where somebody waits for series: nobody is asked, and there is nothing to look for before the deadline."""
    study = OpenStudy({})
    study.each_series = True
    store(study, "a", "1", 0)
    store(study, "b", "2", 1, archive="")
    assert study.due() == 30
    assert not study.question(20, ASKING)


def test_questions_come_after_silence_and_ever_less_often() -> None:
    """The first after 2 s of silence, one at a time; after each that differs twice as late, at least 5 s apart."""
    study = OpenStudy({})
    store(study, "a", "1", 0)
    asked, now = [], 0.0
    while now < 60:
        store(study, "a", "1", now) if now < 3 else None
        if study.question(now, ASKING):
            asked.append(now)
            assert not study.question(now, ASKING)
            study.counted({"a": 9}, now, now, ASKING)
        now += 0.5
    assert asked == [4.5, 9.5, 19.5, 39.5]


def test_a_question_that_was_alike_is_repeated_when_it_has_settled() -> None:
    """The second question comes the settle time after the first answer, however long the archive has disagreed."""
    study = OpenStudy({})
    store(study, "a", "1", 0)
    for now, count in ((2, 9), (7, 9), (17, 1)):
        assert study.question(now, ASKING)
        study.counted({"a": count}, now, now, ASKING)
    assert study.due() == 22
    assert not study.question(21.9, ASKING)
    assert study.question(22, ASKING)


def test_a_series_is_complete_by_counts_while_others_arrive() -> None:
    """Where somebody waits for series, the archive is asked though the study is not silent."""
    study = OpenStudy({})
    study.each_series = True
    store(study, "a", "1", 0)
    answered, asked = [], []
    for tenth in range(120):
        now = tenth / 10
        store(study, "b", f"b{tenth}", now)
        if study.question(now, ASKING):
            asked.append(now)
            study.counted({"a": 1, "b": 500}, now, now, ASKING)
        if study.series_completed:
            study.series_completed = False
            answered.append((now, study.complete_series()))
    assert answered == [(asked[1], frozenset({"a"}))]
    assert asked[1] < 8
    assert study.closed is None


def test_a_series_is_complete_by_a_list_of_its_own() -> None:
    """A list of exactly one series, such as an MPPS of one step, completes that one and leaves the study open."""
    study = OpenStudy({})
    store(study, "a", "1", 0)
    store(study, "b", "2", 0)
    study.listed([frozenset({"1"})], 1)
    assert (study.series_completed, study.complete_series(), study.closed) == (True, frozenset({"a"}), None)


def test_a_series_is_complete_when_it_is_quiet_and_another_arrives() -> None:
    """Its sender has gone on to another series: the quiet time of the first is enough. More of it opens it again."""
    study = OpenStudy({})
    study.each_series = True
    store(study, "a", "1", 0, association="x")
    for now in range(1, 30):
        store(study, "b", f"b{now}", now, association="x")
    study.tick(29.9)
    assert not study.series_completed
    assert study.due() <= 30
    study.tick(30)
    assert (study.series_completed, study.complete_series()) == (True, frozenset({"a"}))
    store(study, "a", "2", 31, association="x")
    assert study.complete_series() == frozenset()


def test_a_hundred_thousand_instances_cost_seconds() -> None:
    """Each instance costs the same however many there are, with a list of all of them waiting and many series."""
    names = [f"{number:032x}" for number in range(100_000)]
    everything = [frozenset(names)]
    study = OpenStudy({})
    study.each_series = True
    begun = time.process_time()
    for number, name in enumerate(names):
        store(study, f"s{number // 2}", name, number / 10_000, lists=everything)
        study.due()
    assert completion(study) is Completion.LISTED
    assert time.process_time() - begun < 60  # a second or two on any machine, minutes if each looked at all others


# Whatever the order.


def _require_invariants(order: Order, *, series_wanted: bool) -> Counter[Completion]:
    """Take the steps, then let time pass, and require what must hold whatever the order; return how revisions closed.

    A revision that counts close had held, for the settle time, as many as the archive; one that a list closes holds
    what that names (`World.follow`). At the end nothing is open: it has closed, at a time that it named by itself, with
    all that has come.
    """
    world = World(series_wanted=series_wanted)
    for pause, step, *values in order:
        world.let_time_pass(world.now + pause)
        getattr(world, step)(*values)
    while world.study is not None:
        assert world.study.due() <= world.opened_at + TIMING.hard_cap_s
        world.let_time_pass(world.study.due())
        world.answer()
    if world.spool:
        assert world.revisions[-1] == {series: frozenset(names) for series, names in world.spool.items()}
    return world.completions


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(order=ORDERS, series_wanted=st.booleans())
def test_nothing_is_left_out_and_nothing_waits_for_ever(order: Order, *, series_wanted: bool) -> None:
    """In any order of instances, counts, lists, associations and ticks; the smallest order that breaks it."""
    _require_invariants(order, series_wanted=series_wanted)


def test_nothing_is_left_out_in_three_thousand_orders() -> None:
    """The same in many more orders, in which revisions close in every way that there is."""
    closed: Counter[Completion] = Counter()
    for seed in range(3_000):
        try:
            closed += _require_invariants(random_order(seed), series_wanted=seed % 2 == 0)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
    for completion in set(Completion) - {Completion.SERIES}:
        assert closed[completion] > (0 if completion is Completion.HARD_CAP else 100), closed
