"""How urgent a study is, decided from what is known when it is complete. Pure.

| who says it | counts |
|---|---|
| an admin (`wetread prioritise STUDY`) | always (the ledger keeps it) |
| a rule of the site | the first that fits, where no admin has said anything |
| our AE title that was called, then the senders' entries | where no rule fits |
| the sender's request: HIGH is urgent, MEDIUM and LOW say nothing | where none of these says anything |
| the modality worklist, asked later | raises what the others have said, never lowers it |

A study that several have sent is as urgent as the most urgent of them makes it: an archive that adds the last images
does not take an emergency room's study back. What makes it routine or less must hold of every one of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from dicom_node.peer_settings import PriorityName
from dicom_node.study import Requested
from worker.jobs.job import Priority
from worker.jobs.priority_settings import PriorityRule
from worker.selecting.selection_summary import SeriesSummary
from worker.text_patterns import is_in

#: Read from the headers beside what cards ask for.
STUDY_DESCRIPTION = "StudyDescription"

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: Requested Procedure Priority (0040,1003), PS3.3 C.4.11: what it raises a study to.
_OF_WORKLIST: Mapping[str, Priority] = {"STAT": Priority.STAT, "HIGH": Priority.URGENT}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a study when it is complete.

    Attributes:
        senders: AE titles of everybody who sent images of it.
        called: AE titles of ours under which it came.
        requested: Of its C-STORE requests.
        arrived_at: Of its latest image, in the site's zone.
        series: As selection sees them.
    """

    senders: tuple[str, ...]
    called: tuple[str, ...]
    requested: Requested
    arrived_at: datetime
    series: tuple[SeriesSummary, ...]


@dataclass(frozen=True, kw_only=True)
class SitePriorities:
    """What the settings say of priorities.

    Attributes:
        rules: In the site's order.
        called: By our AE title.
        senders: By the sender's AE title.
    """

    rules: tuple[PriorityRule, ...] = ()
    called: Mapping[str, PriorityName]
    senders: Mapping[str, PriorityName]

    @property
    def tags(self) -> frozenset[str]:
        """Keywords of the attributes that the rules ask for."""
        asked = {tag for rule in self.rules if rule.where is not None for tag in rule.where.tags}
        if any(rule.description for rule in self.rules):
            asked.add(STUDY_DESCRIPTION)
        return frozenset(asked)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """How urgent, and why; the reason quotes the settings, never the study."""

    priority: Priority
    because: str


def decide(evidence: Evidence, site: SitePriorities) -> Decision:
    """Decide how urgent a study is; the table above says who counts."""
    for number, rule in enumerate(site.rules, start=1):
        if _fits(rule, evidence):
            return Decision(priority=Priority.named(rule.priority), because=f"rule {number} of [[priorities]]")
    called = min(
        (Priority.named(site.called[title]) for title in evidence.called if title in site.called), default=None
    )
    if called is not None:
        return Decision(priority=called, because="the AE title of ours that was called")
    by_entry = _of_entries(evidence, site)
    if by_entry is not None:
        return Decision(priority=by_entry, because="the sender's entry")
    if evidence.requested is Requested.HIGH:
        return Decision(priority=Priority.URGENT, because="the sender asked for it (0000,0700)")
    return Decision(priority=Priority.ROUTINE, because="nothing says otherwise")


def raised_by_worklist(said: Sequence[str]) -> Priority | None:
    """Return to what these Requested Procedure Priorities (0040,1003) raise a study; None where they do not."""
    return min((_OF_WORKLIST[word] for word in said if word in _OF_WORKLIST), default=None)


def _of_entries(evidence: Evidence, site: SitePriorities) -> Priority | None:
    """Return what the senders' entries say; None where one that says nothing must not be made to wait by another."""
    said = [Priority.named(site.senders[title]) for title in evidence.senders if title in site.senders]
    most = min(said, default=None)
    if most is None or (len(said) < len(evidence.senders) and most >= Priority.ROUTINE):
        return None
    return most


def _sent(rule: PriorityRule, senders: Sequence[str]) -> bool:
    named = [title in rule.senders for title in senders]
    return any(named) if Priority.named(rule.priority) < Priority.ROUTINE else bool(named) and all(named)


def _fits(rule: PriorityRule, evidence: Evidence) -> bool:
    if rule.senders and not _sent(rule, evidence.senders):
        return False
    if rule.called and not set(rule.called) & set(evidence.called):
        return False
    if rule.requested and evidence.requested.name.lower() not in rule.requested:
        return False
    if rule.weekdays and _WEEKDAYS[evidence.arrived_at.weekday()] not in rule.weekdays:
        return False
    if rule.span is not None and not _within(rule.span, evidence.arrived_at.time()):
        return False
    return not _asks_of_series(rule) or any(_series_fits(rule, series) for series in evidence.series)


def _asks_of_series(rule: PriorityRule) -> bool:
    return bool(rule.modality or rule.body_part or rule.description or rule.where is not None)


def _series_fits(rule: PriorityRule, series: SeriesSummary) -> bool:
    if rule.modality and series.modality not in rule.modality:
        return False
    if rule.body_part and series.body_part_examined.upper() not in {part.upper() for part in rule.body_part}:
        return False
    told = (series.series_description, *series.tag_values.get(STUDY_DESCRIPTION, ()))
    if rule.description and not any(is_in(rule.description, text) for text in told):
        return False
    return rule.where is None or rule.where.holds(series.tag_values)


def _within(span: tuple[time, time], at: time) -> bool:
    start, end = span
    return start <= at < end if start < end else at >= start or at < end
