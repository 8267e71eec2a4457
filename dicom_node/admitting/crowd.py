"""How many connections a receiving process has open, whether or not they ask for an association.

Associations are counted by the doorkeeper, over all processes; but a connection costs threads and a descriptor before
it asks for one, and while it ends. Until then nobody knows whose it is but by its address: none has all the places, and
those from which nobody may call have a part of them together.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import structlog

from dicom_node.admitting.association import plain_address

_log = structlog.get_logger()

#: For each connection, and at most; a process wakes up in a tenth of it.
_DEFERENCE_S, _MOST_DEFERENCE_S = 0.0005, 0.008
#: Places that an address leaves to others, where half of what there are is more.
_LEFT_TO_OTHERS = 48

#: Places for all strangers together: enough to tell them why they are rejected. Half of those without an association.
FOR_STRANGERS = 32

Place: TypeAlias = tuple[str, int]
"""Whose a connection is: address and port of the caller."""


def place_of(client_address: Any) -> Place:
    """Return whose a connection is, of a socket's address. An IPv4 caller is the same on a socket for both families."""
    host, port = client_address[:2]
    try:
        return str(plain_address(str(host))), int(port)
    except ValueError:
        return str(host), int(port)


def may_wait(*, of_address: int, of_others: int, places: int) -> bool:
    """Say whether one more connection of an address may wait without an association.

    An address has what the others leave it save half of it, or save 48 where that is less: so one alone never shuts the
    others out, several do not either while each still finds half of the rest, and whoever opens as many associations
    at once as the node takes is not turned away here, also where many callers share an address (NAT).

    Args:
        of_address: Connections of that address that wait already.
        of_others: Those of all others.
        places: For all that wait.
    """
    left = places - of_others
    return of_address < left - min(left // 2, _LEFT_TO_OTHERS)


class Crowd:
    """The connections of one listening socket that are on their way in, with all that run; for many threads."""

    def __init__(
        self,
        most: int,
        running: Callable[[], Mapping[Place, bool]],
        *,
        shares_port: bool = False,
        strange: Callable[[str], bool] = lambda _address: False,
    ) -> None:
        """Take how many there may be, and whether other processes accept too.

        `running` returns the connections that have threads of pynetdicom's, and whether each is an association;
        `strange` says of an address whether nobody may call from there.
        """
        self._most = most
        self._running = running
        self._shares_port = shares_port
        self._strange = strange
        self._entering: set[Place] = set()
        self._crowded = False
        self._greedy: set[str] = set()
        self._strangers: set[Place] = set()  # of those that wait
        self._strangers_told = False
        self._lock = threading.Lock()

    @property
    def deference_s(self) -> float:
        """How long to let the other processes of the port accept first: the longer, the more connections are here."""
        if not self._shares_port:
            return 0.0
        with self._lock:
            size = len(self._entering | self._running().keys())
        # Who is full accepts only to close, and keeps nobody waiting behind those.
        return 0.0 if size >= self._most else min(size * _DEFERENCE_S, _MOST_DEFERENCE_S)

    def enter(self, place: Place) -> bool:
        """Say whether a connection may come in; then `entered` must follow. It is told when that changes."""
        with self._lock:
            running = self._running()
            waiting = {one for one in self._entering | running.keys() if not running.get(one, False)}
            self._strangers &= waiting
            inside = sum(running.values())
            crowded = inside + len(waiting) >= self._most
            welcome = not crowded and self._has_room(place, waiting, self._most - inside)
            if welcome:
                self._entering.add(place)
            changed, self._crowded = crowded != self._crowded, crowded
        if changed and crowded:
            _log.warning(
                "connections closed, too many are open",
                most=self._most,
                address=place[0],
                remedy="who holds connections without an association? Else raise `node.max_associations`",
            )
        elif changed:
            _log.info("connections are taken again", most=self._most)
        return welcome

    def _has_room(self, place: Place, waiting: set[Place], places: int) -> bool:
        if not self._strange(place[0]):
            return self._has_share(place[0], Counter(address for address, _ in waiting), places)
        own = sum(address == place[0] for address, _ in self._strangers)
        others = len(self._strangers) - own
        room = may_wait(of_address=own, of_others=others, places=min(FOR_STRANGERS, places))
        if room:
            self._strangers.add(place)
            self._strangers_told = self._strangers_told and len(self._strangers) > FOR_STRANGERS // 2
        elif not self._strangers_told:
            self._strangers_told = True
            _log.warning(
                "connections of strangers closed, too many wait",
                address=place[0],
                waiting=own,
                of_others=others,
                remedy="nothing, if they are no callers of yours, who come in all the same; else list their hosts "
                "under [[node.peers]]",
            )
        return room

    def _has_share(self, address: str, waiting: Counter[str], places: int) -> bool:
        own = waiting[address]
        share = may_wait(of_address=own, of_others=waiting.total() - own, places=places)
        if share:
            self._greedy.discard(address)
        elif address not in self._greedy:
            # Those that have gone are forgotten here, so that it does not grow.
            self._greedy = {greedy for greedy in self._greedy if waiting[greedy]} | {address}
            _log.warning(
                "connections closed, too many of one address wait",
                address=address,
                waiting=own,
                remedy="what there connects and asks for no association: a scanner, a proxy? If it is a proxy of "
                "many callers, raise `node.max_associations`",
            )
        return share

    def entered(self, place: Place) -> None:
        """Hear that a connection is among those that run from now on, or closed."""
        with self._lock:
            self._entering.discard(place)
