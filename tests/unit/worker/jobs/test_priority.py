"""How urgent a study is: who says it, and who counts."""

from datetime import datetime

import pytest

from dicom_node.study import Requested
from tests.unit.worker.selecting.test_selection import series
from worker.jobs.job import Priority
from worker.jobs.priority import Evidence, SitePriorities, decide, raised_by_worklist
from worker.jobs.priority_settings import PriorityRule

SATURDAY_NIGHT = datetime(2026, 3, 7, 23, 30)  # noqa: DTZ001  # in the site's zone, whichever that is
MONDAY_NOON = datetime(2026, 3, 9, 12, 0)  # noqa: DTZ001


def evidence(**changes: object) -> Evidence:
    """Return what is known of a head MR that nobody calls urgent."""
    values: dict[str, object] = {
        "senders": ("CT1",),
        "called": ("WETREAD",),
        "requested": Requested.MEDIUM,
        "arrived_at": MONDAY_NOON,
        "series": (series(body_part_examined="HEAD", series_description="T1w"), series("1.3", modality="SR")),
    }
    return Evidence(**(values | changes))  # type: ignore[arg-type]


def site(*rules: dict[str, object], **values: object) -> SitePriorities:
    """Return the settings of a site with these rules."""
    found = tuple(PriorityRule.model_validate({"priority": "stat", **rule}) for rule in rules)
    return SitePriorities(rules=found, **({"called": {}, "senders": {}} | values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("requested", "priority"),
    [
        (Requested.HIGH, Priority.URGENT),
        (Requested.MEDIUM, Priority.ROUTINE),
        # What DCMTK's storescu and pynetdicom say unless they are told otherwise.
        (Requested.LOW, Priority.ROUTINE),
    ],
)
def test_a_request_counts_where_nobody_else_says_anything(requested: Requested, priority: Priority) -> None:
    """HIGH is urgent; LOW, which many senders say without meaning it, is nothing."""
    assert decide(evidence(requested=requested), site()).priority is priority


def test_who_counts_more() -> None:
    """A rule before our AE title that was called, that before the sender's entry, that before the request."""
    all_say = {"called": {"WETREAD_STAT": "stat"}, "senders": {"CT1": "backlog"}}
    known = {"requested": Requested.HIGH, "called": ("WETREAD", "WETREAD_STAT")}
    rule = {"priority": "routine", "senders": ["CT1"]}
    assert decide(evidence(**known), site(rule, **all_say)).priority is Priority.ROUTINE
    assert decide(evidence(**known), site(**all_say)).priority is Priority.STAT
    assert decide(evidence(requested=Requested.HIGH), site(**all_say)).priority is Priority.BACKLOG
    assert decide(evidence(requested=Requested.HIGH, senders=("CT2",)), site(**all_say)).priority is Priority.URGENT


@pytest.mark.parametrize(
    ("entries", "senders", "priority"),
    [
        ({"ER": "urgent"}, ("ER", "PACS"), Priority.URGENT),
        ({"ER": "urgent", "PACS": "routine"}, ("ER", "PACS"), Priority.URGENT),
        ({"ER": "urgent", "ICU": "stat"}, ("ER", "ICU"), Priority.STAT),
        # Of the other nobody has said that it may wait.
        ({"RESEARCH": "backlog"}, ("CT1", "RESEARCH"), Priority.ROUTINE),
        ({"RESEARCH": "backlog", "TEACHING": "backlog"}, ("RESEARCH", "TEACHING"), Priority.BACKLOG),
    ],
)
def test_the_most_urgent_of_several_senders_counts(
    entries: dict[str, str], senders: tuple[str, ...], priority: Priority
) -> None:
    """An archive that sends the last images of an emergency room's study does not make it routine."""
    assert decide(evidence(senders=senders), site(senders=entries)).priority is priority


def test_a_request_counts_where_one_of_two_senders_may_wait() -> None:
    """An entry that makes its own sender wait says nothing of the other's request."""
    found = evidence(senders=("CT1", "RESEARCH"), requested=Requested.HIGH)
    assert decide(found, site(senders={"RESEARCH": "backlog"})).priority is Priority.URGENT


@pytest.mark.parametrize(
    ("said", "senders", "fits"),
    [
        ("urgent", ("ER", "PACS"), True),
        ("backlog", ("ER", "PACS"), False),
        ("routine", ("ER", "PACS"), False),
        ("backlog", ("ER",), True),
        # A file that a crash left does not always say who sent it.
        ("urgent", (), False),
        ("backlog", (), False),
    ],
)
def test_a_rule_on_senders_makes_nobody_elses_study_wait(said: str, senders: tuple[str, ...], fits: bool) -> None:  # noqa: FBT001  # a table's column
    """What raises needs one of the senders that it names, what does not needs all of them."""
    found = decide(evidence(senders=senders), site({"senders": ["ER"], "priority": said}))
    assert (found.because == "rule 1 of [[priorities]]") is fits


def test_the_first_rule_that_fits_decides() -> None:
    """In the site's order, and the reason says which it was."""
    found = decide(
        evidence(), site({"modality": ["CT"]}, {"modality": ["MR"], "priority": "urgent"}, {"priority": "backlog"})
    )
    assert (found.priority, found.because) == (Priority.URGENT, "rule 2 of [[priorities]]")


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({}, True),
        ({"senders": ["CT1", "CT2"]}, True),
        ({"senders": ["CT2"]}, False),
        ({"called": ["WETREAD"]}, True),
        ({"called": ["OTHER"]}, False),
        ({"requested": ["medium"]}, True),
        ({"requested": ["high", "low"]}, False),
        ({"modality": ["CT", "MR"]}, True),
        ({"modality": ["CT"]}, False),
        ({"modality": ["MR"], "body_part": ["head"]}, True),
        ({"body_part": ["CHEST"]}, False),
        # Both of one series: there is an SR, and a head, and no head that is an SR.
        ({"modality": ["SR"], "body_part": ["HEAD"]}, False),
        ({"description": "^t1"}, True),
        ({"description": "trauma"}, False),
        ({"where": {"tag": "SliceThickness", "at_most": 1.5}}, False),
        ({"weekdays": ["mon"]}, True),
        ({"weekdays": ["sat", "sun"]}, False),
        ({"hours": "08:00-17:00"}, True),
        ({"hours": "12:00-12:01"}, True),
        ({"hours": "12:01-12:00"}, False),
        ({"hours": "18:00-07:00"}, False),
    ],
)
def test_what_a_rule_asks_for(rule: dict[str, object], fits: bool) -> None:  # noqa: FBT001  # a table's column
    """Everything that it names must fit, of one series what is asked of series."""
    assert (decide(evidence(), site(rule)).priority is Priority.STAT) is fits


def test_a_rule_on_the_night_goes_over_midnight() -> None:
    """On the evening before and on the morning after, by the weekday on which the image came."""
    night = site({"hours": "18:00-07:00", "weekdays": ["sat", "sun"]})
    assert decide(evidence(arrived_at=SATURDAY_NIGHT), night).priority is Priority.STAT
    assert decide(evidence(arrived_at=SATURDAY_NIGHT.replace(day=8, hour=6)), night).priority is Priority.STAT
    assert decide(evidence(arrived_at=SATURDAY_NIGHT.replace(day=9, hour=6)), night).priority is Priority.ROUTINE


def test_rules_read_the_headers_that_they_ask_for() -> None:
    """The study's own description, and any attribute, are read where a rule asks for them."""
    rules = site({"description": "polytrauma"}, {"where": {"tag": "ContrastBolusAgent", "present": True}})
    assert rules.tags == {"StudyDescription", "ContrastBolusAgent"}
    told = series(tag_values={"StudyDescription": ("Polytrauma CT",)})
    assert decide(evidence(series=(told,)), rules).because == "rule 1 of [[priorities]]"
    given = series(tag_values={"ContrastBolusAgent": ("yes",)})
    assert decide(evidence(series=(given,)), rules).because == "rule 2 of [[priorities]]"


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        ([], None),
        (["ROUTINE", "MEDIUM", "LOW"], None),
        (["HIGH"], Priority.URGENT),
        (["ROUTINE", "STAT", "HIGH"], Priority.STAT),
        (["AS SOON AS POSSIBLE"], None),
    ],
)
def test_a_worklist_only_raises(said: list[str], raised: Priority | None) -> None:
    """STAT and HIGH (PS3.3 C.4.11) raise a study; what means less, or is no word of the standard, changes nothing."""
    assert raised_by_worklist(said) is raised
