"""The associations of one node: each is asked about, then admitted or rejected, until it is over."""

import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from dicom_node.admitting.association import Caller, Rejection
from dicom_node.admitting.doorkeeper import Admitting
from dicom_node.admitting.peer_certificate import shown_by
from dicom_node.contexts import supported
from dicom_node.processes.offered_services import (
    CommitmentRoles,
    commitment_missed,
    commitment_roles,
    offered,
    with_roles,
)
from dicom_node.receiving.store_scp import Reception
from dicom_node.settings import NodeSettings
from dicom_node.turned_away import Stage, TurnedAway, Witness, log

_log = structlog.get_logger()

#: A modality may propose storage commitment on every association: of each AE title it is told once a process, and of no
#: more than so many, which come from outside.
_MOST_TOLD = 100


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """An association that is in.

    Attributes:
        name: By which the reception knows it.
        peer: AE title of the entry that lists it; empty for none.
        roles: What it may be in storage commitment.
    """

    name: str
    peer: str
    roles: CommitmentRoles


_NOBODY = Admitted(name="", peer="", roles=CommitmentRoles())


class Admissions:
    """Who is in; for the threads of all associations."""

    def __init__(
        self,
        settings: NodeSettings,
        *,
        doorkeeper: Admitting,
        reception: Reception,
        witness: Witness,
        commitments: bool,
        reporters: Callable[[], frozenset[str]],
    ) -> None:
        """Take whom to ask, who hears of those that are over or turned away, and who may ask and report commitment."""
        self._settings = settings
        self._doorkeeper = doorkeeper
        self._reception = reception
        self._witness = witness
        self._commitments = commitments
        self._reporters = reporters
        self._peers = {peer.ae_title: peer for peer in settings.peers}
        self._serial = itertools.count(1)
        self._lock = threading.Lock()
        self._admitted: dict[Any, Admitted] = {}
        self._told: set[str] = set()

    def judge(self, association: Any) -> None:
        """Ask whether the caller may come in; take it in, or reject it."""
        request = association.requestor.primitive
        caller = Caller(
            calling_ae_title=request.calling_ae_title.strip(),
            called_ae_title=request.called_ae_title.strip(),
            address=association.requestor.address,
            certificate=shown_by(getattr(association.dul.socket, "socket", None)),
        )
        self._forget_dead()
        # With the process in it: the doorkeeper and the assembler may have several nodes.
        name = f"association-{os.getpid()}-{next(self._serial)}"
        verdict = self._doorkeeper.admit(caller, name)
        if isinstance(verdict, Rejection):
            self._reject(association, caller, verdict)
            return
        peer = self._peers.get(verdict.peer)
        roles = commitment_roles(
            peer,
            commitment=self._commitments,
            reporters=self._reporters(),
        )
        with self._lock:
            self._admitted[association] = Admitted(name=name, peer=verdict.peer, roles=roles)
        association.requestor.ae_title = caller.calling_ae_title
        proposed = [str(context.abstract_syntax) for context in request.presentation_context_definition_list]
        association.acceptor.supported_contexts = with_roles(
            supported(() if verdict.echo_only else proposed, offered(peer, roles)), roles
        )
        if missed := commitment_missed(proposed, peer, roles):
            self._tell_missed(caller, missed)

    def _tell_missed(self, caller: Caller, why: str) -> None:
        with self._lock:
            if caller.calling_ae_title in self._told or len(self._told) >= _MOST_TOLD:
                return
            self._told.add(caller.calling_ae_title)
        _log.warning(
            "storage commitment not offered",
            calling_ae_title=caller.calling_ae_title,
            address=caller.address,
            reason=why,
            remedy="where it asks us to keep its images, set `storage_commitment` and `report_to` in its entry under "
            "[[node.peers]]; where it is an archive that reports on our results, list it there by the AE title of its "
            "destination; else nothing is to be done",
        )

    def _reject(self, association: Any, caller: Caller, rejection: Rejection) -> None:
        turned_away = TurnedAway(
            stage=Stage.ASSOCIATION,
            address=caller.address,
            found=rejection.found,
            remedy=rejection.remedy,
            calling_ae_title=caller.calling_ae_title,
            called_ae_title=caller.called_ae_title,
            answer=rejection.answer,
        )
        log(turned_away)
        self._witness(turned_away)
        association.acse.send_reject(*rejection.answer)
        association.kill()

    def of(self, association: Any) -> Admitted:
        """Return as whom an association is in; as nobody, where it is over."""
        return self._admitted.get(association, _NOBODY)

    def inside(self) -> list[Any]:
        """Return the associations that are admitted and not over."""
        self._forget_dead()
        with self._lock:
            return list(self._admitted)

    def left(self, association: Any) -> None:
        """Hear that an association's connection is closed."""
        with self._lock:
            admitted = self._admitted.pop(association, None)
        if admitted is not None:
            self._over(admitted.name)

    def _forget_dead(self) -> None:
        """Forget associations whose thread has died: a malformed message ends it without a word to anybody."""
        with self._lock:
            dead = [association for association in self._admitted if not association.is_alive()]
            names = [self._admitted.pop(association).name for association in dead]
        for name in names:
            self._over(name)

    def _over(self, name: str) -> None:
        self._doorkeeper.leave(name)
        self._reception.association_ended(name)
