"""A world of instances, an archive that counts, lists and associations, and orders in which things happen in it."""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hypothesis import strategies as st

from dicom_node.assembling.assembly import Timing
from dicom_node.assembling.open_study import OpenStudy
from dicom_node.assembling.questions import Asking
from dicom_node.study import Completion

TIMING = Timing(quiet_time_s=30, association_hold_s=60, hard_cap_s=90, settle_s=5)
ASKING = Asking(after_s=2, settle_s=5)


def store(study: OpenStudy, series: str, instance: str, now: float, **changes: object) -> None:
    """Let an instance arrive."""
    values: dict[str, object] = {"association": "", "timing": TIMING, "asking": ASKING, "archive": "pacs", **changes}
    study.stored(series, instance, str(values.pop("association")), now, **values)  # type: ignore[arg-type]


@dataclass
class World:
    """An archive that grows beside us, lists, and a node that closes revisions.

    Attributes:
        archive: Instances of each series that it has.
        spool: Those that we have.
        lists: What was listed.
        study: What is open.
        revisions: What each closed revision held.
        completions: How they closed.
        series_wanted: Whether somebody waits for single series.
        counted_at: When the archive had what we had, of the moments at which it was asked.
    """

    archive: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    spool: dict[str, set[str]] = field(default_factory=dict)
    lists: list[frozenset[str]] = field(default_factory=list)
    study: OpenStudy | None = None
    revisions: list[dict[str, frozenset[str]]] = field(default_factory=list)
    completions: Counter[Completion] = field(default_factory=Counter)
    counted_at: list[float] = field(default_factory=list)
    series_wanted: bool = True
    now: float = 0.0
    opened_at: float = 0.0
    arrived_at: float = 0.0
    pending: tuple[float, dict[str, int | None] | None] | None = None

    def receive(self, series: str, number: int, association: str) -> None:
        """Let an instance arrive here, which the archive has."""
        self.archive_receives(series, number)
        if self.study is None:
            self.study, self.opened_at, self.pending = OpenStudy(self.spool), self.now, None
            self.study.each_series = self.series_wanted
        self.spool.setdefault(series, set()).add(f"{series}{number}")
        self.arrived_at = self.now
        store(
            self.study,
            series,
            f"{series}{number}",
            self.now,
            association=association,
            lists=self.lists,
            archive="" if association == "y" else "pacs",
        )
        self.follow()

    def archive_receives(self, series: str, number: int) -> None:
        """Let an instance arrive there."""
        self.archive[series].add(f"{series}{number}")

    def catch_up(self) -> None:
        """Let all arrive here that the archive has of a and b; z is not routed to us."""
        missing = [name for series in "ab" for name in sorted(self.archive[series] - self.spool.get(series, set()))]
        for name in missing:
            self.receive(name[0], int(name[1:]), "x")

    def ask(self, *, away: bool = False) -> None:
        """Let the archive look, if it is to be asked now; the answer comes later."""
        if self.study is None or not self.study.question(self.now, ASKING):
            return
        assert self.pending is None
        assert self.study.archive
        if all(len(self.archive[series]) == len(names) for series, names in self.spool.items()):
            self.counted_at.append(self.now)
        counts: dict[str, int | None] = {series: len(names) for series, names in self.archive.items()}
        self.pending = (self.now, None if away else counts)

    def archive_is_away(self) -> None:
        """Let it be asked in vain."""
        self.ask(away=True)

    def answer(self) -> None:
        """Let the archive's answer come."""
        if self.study is not None and self.pending is not None:
            (asked_at, counts), self.pending = self.pending, None
            self.study.counted(counts, asked_at, self.now, ASKING)
            self.follow()

    def listed(self, names: set[str]) -> None:
        """Let a list come."""
        self.lists.append(frozenset(names))
        if self.study is not None:
            self.study.listed(self.lists, self.now)
            self.follow()

    def all_listed(self) -> None:
        """Let a list of all that the archive has of a and b come."""
        self.listed(self.archive["a"] | self.archive["b"])

    def left(self, association: str) -> None:
        """Let a sender go."""
        if self.study is not None:
            self.study.left(association, self.now)
            self.follow()

    def tick(self) -> None:
        """Look at the clock, due or not."""
        if self.study is not None:
            self.study.tick(self.now)
            self.follow()

    def forced(self) -> None:
        """Let an admin call it complete."""
        if self.study is not None:
            self.study.forced(self.now)
            self.follow()

    def let_time_pass(self, until: float) -> None:
        """Tick and ask as a node does: when something is due, and not before."""
        while self.study is not None and self.study.due() <= until:
            self.now = max(self.now, self.study.due())
            self.tick()
            self.ask()
        self.now = max(self.now, until)

    def follow(self) -> None:
        """Do what the assembler does, and require that what closed had reason to."""
        if self.study is None or self.study.closed is None:
            return
        completion = self.study.closed.completion
        self.completions[completion] += 1
        if completion is Completion.COUNTED:
            since = [moment for moment in self.counted_at if moment > self.arrived_at]
            assert since
            assert since[-1] >= since[0] + TIMING.settle_s
        if completion is Completion.LISTED:
            assert frozenset().union(*self.spool.values()) in self.lists
        self.revisions.append({series: frozenset(names) for series, names in self.spool.items()})
        self.study = None


Order: TypeAlias = list[tuple[Any, ...]]
"""Steps: seconds to let pass, then a method of `World` and its values."""

_pauses = st.one_of(st.just(0.0), st.floats(0, 8), st.floats(0, 45))
_ours, _numbers = st.sampled_from("ab"), st.integers(0, 5)
ORDERS = st.lists(
    st.one_of(
        st.tuples(_pauses, st.just("receive"), _ours, _numbers, st.sampled_from(["", "x", "y"])),
        st.tuples(_pauses, st.just("archive_receives"), st.sampled_from("abz"), _numbers),
        st.tuples(_pauses, st.sampled_from(["catch_up", "answer", "tick", "ask"])),
        st.tuples(_pauses, st.sampled_from(["archive_is_away", "all_listed", "forced"])),
        st.tuples(_pauses, st.just("left"), st.sampled_from("xy")),
        st.tuples(_pauses, st.just("listed"), st.sets(st.sampled_from(["a0", "a1", "b0", "b1"]), min_size=1)),
    ),
    max_size=40,
)

_WEIGHTS = {
    "receive": 30,
    "archive_receives": 10,
    "catch_up": 10,
    "answer": 15,
    "tick": 10,
    "ask": 5,
    "archive_is_away": 2,
    "all_listed": 1,
    "listed": 5,
    "left": 5,
    "forced": 1,
}


def random_order(seed: int) -> Order:
    """Return an order of forty steps; made in this way it takes a hundredth of the time that hypothesis needs."""
    chance = random.Random(seed)  # noqa: S311 - tests, not secrets
    order: Order = []
    for step in chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=40):
        values: dict[str, tuple[Any, ...]] = {
            "receive": (chance.choice("ab"), chance.randrange(6), chance.choice(["", "x", "y"])),
            "archive_receives": (chance.choice("abz"), chance.randrange(6)),
            "listed": ({f"{chance.choice('ab')}{chance.randrange(2)}" for _ in range(3)},),
            "left": (chance.choice("xy"),),
        }
        pause = chance.choice([0.0, 0.0, 1.0, 6.0, chance.uniform(0, 40)])
        order.append((pause, step, *values.get(step, ())))
    return order
