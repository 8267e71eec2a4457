"""A case: seed and number give the bytes, in steps, and what they are; the same on every machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from dicom_node.contexts import (
    INSTANCE_AVAILABILITY,
    PERFORMED_PROCEDURE_STEP,
    STORAGE_COMMITMENT,
    VERIFICATION,
)
from tests.faults.wire_bytes import (
    ABORT,
    ASSOCIATE_RQ,
    COMMAND,
    DATA,
    EXPLICIT,
    RELEASE_RQ,
    associate_rq,
    echo_rq,
    store_rq,
)
from tests.fuzz import request_mutations, wire_mutations
from tests.fuzz.mutations import Change
from tests.fuzz.service_messages import service_message
from tests.fuzz.wire_grammar import FIXED, Item, Message, Unit, Value, elements_of, items_of, pieces, values_of
from tests.unit.dicom_node.instances import CT, dataset, encode

IMPLICIT = "1.2.840.10008.1.2"
#: 7 is for what is neither a storage class nor a service that we have, so it is not accepted.
CONTEXTS = (
    (1, CT, EXPLICIT),
    (3, CT, IMPLICIT),
    (5, VERIFICATION, IMPLICIT),
    (7, "1.2.840.10008.5.1.4.31", IMPLICIT),
    (9, STORAGE_COMMITMENT, EXPLICIT),
    (11, PERFORMED_PROCEDURE_STEP, IMPLICIT),
    (13, INSTANCE_AVAILABILITY, EXPLICIT),
)
_STORES = {1: False, 3: True}
_ECHO = 5
#: One study for so many cases, and so many instances in it.
_CASES_A_STUDY, _INSTANCES_A_STUDY = 500, 40
_UNCHANGED_SHARE = 0.04
_SERVICE_SHARE = 0.15
_RELEASE, _ABORT = bytes(4), bytes(4)

#: How a peer ends: what it says of it, if anything, and how often.
ENDINGS: Mapping[str, int] = {"release": 70, "abort": 6, "close": 12, "reset": 6, "half-close": 6}


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is sent over one connection.

    Attributes:
        number: Of the case.
        steps: Bytes, and whether an answer is awaited before the next ones go.
        ending: How the connection ends; a key of `ENDINGS`.
        mutations: What is wrong with it; empty for a right one.
        answers: How many messages a right one has, which are all answered.
    """

    number: int
    steps: tuple[tuple[bytes, bool], ...]
    ending: str
    mutations: tuple[str, ...]
    answers: int


def chance_of(kind: str, seed: int, number: int) -> Random:
    """Return the chance of one case, which depends on no other case."""
    return Random(f"{kind} {seed} {number}")  # noqa: S311  # the same bytes for the same seed


def wire_case(seed: int, number: int) -> Case:
    """Return a case."""
    chance = chance_of("wire", seed, number)
    right = chance.random() < _UNCHANGED_SHARE
    return _Maker(chance, number, 0 if right else chance.choice((1, 1, 1, 2, 2, 3))).case()


def right_case(seed: int, number: int) -> Case:
    """Return a case with nothing wrong in it."""
    return _Maker(chance_of("wire", seed, number), number, 0).case()


class _Maker:
    """Makes a stream level by level, and does what is wrong at each level when it is there."""

    def __init__(self, chance: Random, number: int, mutations: int) -> None:
        self._chance, self._number = chance, number
        levels = ["header", "items", "elements", "messages", "values", "units", "bytes"]
        self._levels = sorted(chance.choices(levels, weights=[6, 22, 30, 8, 14, 10, 10], k=mutations))
        self._done: list[str] = []

    def case(self) -> Case:
        """Make it."""
        chance = self._chance
        ending = chance.choices(list(ENDINGS), weights=list(ENDINGS.values()))[0] if self._levels else "release"
        messages = [self._message() for _ in range(chance.choice((1, 1, 2, 2, 3, 5)))]
        answers = len(messages)
        self._wrong("messages", wire_mutations.OF_MESSAGES, messages)
        if messages:
            self._wrong("elements", wire_mutations.OF_ELEMENTS, chance.choice(messages).elements)
        units = [self._request(), *self._data(messages)]
        if ending in ("release", "abort"):
            units.append(Unit(kind=RELEASE_RQ if ending == "release" else ABORT, body=_RELEASE))
        self._wrong("units", wire_mutations.OF_UNITS, units)
        steps = [(unit.encode(), unit.awaited) for unit in units] or [(b"", False)]
        self._wrong("bytes", wire_mutations.OF_BYTES, steps)
        return Case(
            number=self._number, steps=tuple(steps), ending=ending, mutations=tuple(self._done), answers=answers
        )

    def _wrong(self, level: str, table: Mapping[str, Change], parts: list[Any]) -> None:
        for _ in range(self._levels.count(level)):
            name = self._chance.choice(list(table))
            table[name](self._chance, parts)
            self._done.append(f"{level}: {name}")

    def _request(self) -> Unit:
        body = associate_rq(CONTEXTS, calling="FUZZ")[6:]
        items = items_of(body[FIXED:])
        level: list[Item] = self._chance.choice([items, *(item.inner for item in items if item.inner)])
        self._wrong("items", request_mutations.OF_ITEMS, level)
        header = [body[:FIXED]]
        self._wrong("header", request_mutations.OF_HEADER, header)
        encoded = header[0] + b"".join(item.encode() for item in items)
        return Unit(kind=ASSOCIATE_RQ, body=encoded, awaited=True)

    def _message(self) -> Message:
        chance = self._chance
        if chance.random() < 0.35:
            return Message(elements=elements_of(echo_rq(message=chance.randint(1, 9))), dataset=None, context=_ECHO)
        study = f"1.2.99.{self._number // _CASES_A_STUDY}"
        sop = f"{study}.1.{chance.randrange(_INSTANCES_A_STUDY)}"
        if chance.random() < _SERVICE_SHARE:
            return service_message(chance, study, sop)
        context = chance.choice(list(_STORES))
        content = dataset(SOPInstanceUID=sop, StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1")
        command = store_rq(sop_instance=sop, message=chance.randint(1, 9))
        return Message(
            elements=elements_of(command), dataset=encode(content, implicit=_STORES[context]), context=context
        )

    def _data(self, messages: list[Message]) -> list[Unit]:
        chance = self._chance
        values: list[Value] = []
        last_of: list[int] = []
        for message in messages:
            values += self._values(message)
            last_of.append(id(values[-1]))
        self._wrong("values", wire_mutations.OF_VALUES, values)
        units: list[Unit] = []
        at_once = chance.random() < 0.3
        while values:
            taken = chance.choice((1, 1, 1, 2, 3, 8))
            group, values = values[:taken], values[taken:]
            awaited = not at_once and id(group[-1]) in last_of
            units.append(Unit(kind=DATA, values=group, awaited=awaited))
        return units

    def _values(self, message: Message) -> list[Value]:
        chance = self._chance
        command = values_of(self._cut(message.command()), context=message.context, control=COMMAND)
        if message.dataset is None:
            return command
        data = values_of(self._cut(message.dataset), context=message.context, control=0)
        if chance.random() < 0.85:
            return command + data
        # Legal: fragments of the two between each other, each in its order.
        turns = [command] * len(command) + [data] * len(data)
        chance.shuffle(turns)
        return [turn.pop(0) for turn in turns]

    def _cut(self, data: bytes) -> list[bytes]:
        cuts = self._chance.choice((0, 0, 0, 1, 2, 5))
        return pieces(data, [self._chance.randint(1, max(len(data), 1)) for _ in range(cuts)])
