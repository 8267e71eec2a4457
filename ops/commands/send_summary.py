"""What became of files that were sent: counted by what the peer said, each with its meaning and what to do."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from dicom_node.archives.sender import OutcomeKind, StoreOutcome
from dicom_node.archives.statuses import store_meaning
from ops.commands import terminal

#: In this order they are shown; the first are no success.
_FAILED = (OutcomeKind.REFUSED, OutcomeKind.NO_CONTEXT, OutcomeKind.UNREADABLE)
_ORDER = (*_FAILED, OutcomeKind.WARNING, OutcomeKind.SKIPPED, OutcomeKind.DUPLICATE, OutcomeKind.ACCEPTED)

_REMEDIES = {
    OutcomeKind.NO_CONTEXT: "enable this SOP class and transfer syntax there, or send another encoding",
    OutcomeKind.UNREADABLE: "get these files anew from their source",
}


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Files that met the same fate.

    Attributes:
        kind: The outcome.
        status: Of the C-STORE response; 0 where there was none.
        what: In words.
        remedy: What to do; empty where nothing is to be done.
    """

    kind: OutcomeKind
    status: int
    what: str
    remedy: str

    @property
    def failed(self) -> bool:
        """Whether the peer does not have these files and should."""
        return self.kind in _FAILED


@dataclass
class SendSummary:
    """Counts outcomes as they come."""

    counts: Counter[Reason] = field(default_factory=Counter)
    first: dict[Reason, Path] = field(default_factory=dict)

    def add(self, name: Path, outcome: StoreOutcome) -> Reason:
        """Count one file; return its reason."""
        reason = reason_of(outcome)
        self.counts[reason] += 1
        self.first.setdefault(reason, name)
        return reason

    @property
    def ok(self) -> bool:
        """Whether something was sent, and nothing failed."""
        sent = any(reason.kind not in (*_FAILED, OutcomeKind.SKIPPED) for reason in self.counts)
        return sent and not any(reason.failed for reason in self.counts)

    def line(self, *, unsent: int = 0) -> str:
        """Return the counts by outcome; `unsent` files were to be sent, and the peer was not there, or went away."""
        kinds: Counter[OutcomeKind] = Counter()
        for reason, count in self.counts.items():
            kinds[reason.kind] += count
        counted = [f"{kinds[kind]} {kind.value}" for kind in reversed(_ORDER) if kinds[kind]]
        return ", ".join([*counted, *([f"{unsent} not sent"] if unsent else [])]) or "nothing to send"

    def table(self) -> Table:
        """Return a row a reason, failures first; what was simply accepted has none."""
        made = terminal.table("files", "outcome", "status", "reason", "what to do", "such as")
        for reason, count in sorted(self.counts.items(), key=lambda item: (_ORDER.index(item[0].kind), -item[1])):
            if reason.kind is not OutcomeKind.ACCEPTED:
                status = f"{reason.status:04X}" if reason.status else ""
                example = terminal.plain(self.first[reason])
                made.add_row(str(count), reason.kind.value, status, reason.what, reason.remedy, example)
        return made


def reason_of(outcome: StoreOutcome) -> Reason:
    """Return what outcomes are counted by: the status's meaning, never the peer's own comment."""
    if not outcome.status:
        remedy = _REMEDIES.get(outcome.kind, "")
        what = "" if outcome.kind is OutcomeKind.ACCEPTED else terminal.plain(outcome.text)
        return Reason(kind=outcome.kind, status=0, what=what, remedy=remedy)
    meaning = store_meaning(outcome.status)
    return Reason(kind=outcome.kind, status=outcome.status, what=meaning.what, remedy=meaning.remedy)
