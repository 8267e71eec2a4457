"""A node process under many cases: afterwards it answers, has lost nothing, and costs what it cost before."""

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dicom_node.archives.commitment import CommitmentListener
from dicom_node.spooling.spool_layout import name_of
from dicom_node.tls.tls_profile import client_context
from dicom_node.tls_settings import TlsClientSettings
from tests.certificates import Authority
from tests.faults.a_node import ANode
from tests.faults.wire_bytes import RELEASE_RP, RELEASE_RQ, RawPeer, pdu
from tests.fuzz.handshake_case import HandshakeCase, handshake_case
from tests.fuzz.handshake_run import run_handshakes
from tests.fuzz.wire_case import Case, right_case, wire_case
from tests.fuzz.wire_run import Told, run_cases
from tests.integration.services_house import believing
from tests.stack import tree
from tests.unit.dicom_node.instances import dataset, encode

#: Short deadlines, so that a stall costs a second; the disk is not what is tried here.
SETTINGS = {
    "acse_timeout_s": 1.2,
    "network_timeout_s": 1.2,
    "dimse_timeout_s": 1.2,
    "max_pdu_bytes": 16384,
    "max_associations": 1024,
    "quiet_time_s": 3.0,
    "fsync": "off",
    "processes": 2,
}
#: What a burst leaves to the allocators of three processes.
TIDES_KIB = 48 << 10
_CALM_S = 40.0
#: Inside TLS, whose arithmetic a busy machine needs time for: a right case must never be late.
_TLS_WAIT_S = 3.0
_HANDSHAKE_S = 5.0
#: Of so many cases inside TLS one more begins wrong.
_HANDSHAKE_EVERY = 4
_WARM_UP = 400
_DUPLICATE_SOP_INSTANCE = 0x0111
_WORST = ("Traceback", "part ended", "part killed", "Exception in thread")


class Findings(Exception):
    """What a node did and must not; each line names the case."""


class WireProof:
    """One node, and what it cost before the cases."""

    def __init__(
        self, node: ANode, done: Callable[[int, str], None], port: int, tls: ssl.SSLContext | None = None
    ) -> None:
        """Take a node that runs, who hears of progress, and how it is called; what is made once is made here."""
        self._node = node
        self._port, self._tls = port, tls
        self._done = done
        self._kept: set[str] = set()
        self.troubles: list[str] = []
        self._doubtful: list[Case] = []
        run_cases((right_case(0, number) for number in range(_WARM_UP)), port, lambda _case, _told: None, tls)
        self._calm = self._at_rest(None)
        self._pids = list(tree(node.pid))
        self.figures = self._calm

    def run(self, cases: Iterable[Case]) -> None:
        """Run cases, then hold the node to what it was. Raises Findings."""
        run_cases(cases, self._port, self._told, self._tls)
        # The node's timeouts are short here, and one of many at once may meet them on a busy machine: again, alone.
        doubtful, self._doubtful = self._doubtful, []
        for case in doubtful:
            run_cases([case], self._port, self._judge_again, self._tls)
        self.figures = self._at_rest(self._calm)
        self._done(0, "{} threads, {} descriptors, {} KiB".format(*self.figures))
        self._look()
        if self.troubles:
            raise Findings("\n".join(self.troubles))

    def shake_hands(self, cases: Iterable[HandshakeCase]) -> None:
        """Run handshakes that begin wrong; what comes of them is told with the next cases."""
        run_handshakes(cases, self._port, self._handshake_told)

    def _handshake_told(self, case: HandshakeCase, trouble: str) -> None:
        if trouble:
            self.troubles.append(f"handshake {case.number} ({', '.join(case.mutations)}): {trouble}")

    def _told(self, case: Case, told: Told) -> None:
        self._done(1, "")
        if not case.mutations and told.statuses != [0] * case.answers:
            self._kept |= told.kept
            self._doubtful.append(case)
        else:
            self._judge(case, told)

    def _judge_again(self, case: Case, told: Told) -> None:
        # What it created the first time is there already.
        statuses = [0 if status == _DUPLICATE_SOP_INSTANCE else status for status in told.statuses]
        self._judge(case, replace(told, statuses=statuses))

    def _judge(self, case: Case, told: Told) -> None:
        self._kept |= told.kept
        if told.trouble:
            self._trouble(case, told.trouble)
        elif not case.mutations and told.statuses != [0] * case.answers:
            self._trouble(
                case,
                f"nothing is wrong with it, and it was answered {told.statuses}, by PDUs of the types {told.kinds}",
            )

    def _trouble(self, case: Case, what: str) -> None:
        self.troubles.append(f"case {case.number} ({', '.join(case.mutations)}; {case.ending}): {what}")

    def _at_rest(self, before: tuple[int, int, int] | None) -> tuple[int, int, int]:
        """Return threads, descriptors and resident KiB when nothing changes any more, or it is as it was."""
        node, end = self._node, time.monotonic() + _CALM_S
        seen: list[tuple[int, int]] = []
        while time.monotonic() < end:
            now = node.threads(), node.descriptors()
            seen.append(now)
            if before is not None and now[0] <= before[0] and now[1] <= before[1]:
                break
            if before is None and len(seen) > 20 and len(set(seen[-20:])) == 1:
                break
            time.sleep(0.1)
        return *seen[-1], node.resident_kib()

    def _look(self) -> None:
        node, note = self._node, self.troubles.append
        for what, was, now, more in zip(
            ("threads", "descriptors", "KiB of memory"), self._calm, self.figures, (0, 0, TIDES_KIB), strict=True
        ):
            if now > was + more:
                note(f"{now} {what}, {was} before; open: {node.open_files()}")
        if not node.alive() or list(tree(node.pid)) != self._pids:
            note("a process of the node has ended")
        log = node.log()
        for words in _WORST:
            if words in log:
                at = log.index(words)
                note(f"its log has {words!r}: {log[max(at - 300, 0) : at + 1500]}")
        if partial := [file for file in node.files() if file.suffix == ".part"]:
            note(f"{len(partial)} half-written files in the spool")
        # In quarantine a name begins with those of the folders.
        names = {name[:32] for file in node.files() for name in file.name.split(".")}
        if lost := [uid for uid in self._kept if name_of(uid) not in names]:
            note(f"{len(lost)} instances were answered with success and are not in the spool: {lost[:5]}")
        if not node.answers() or not self._stores():
            note("it does not answer a C-ECHO or a C-STORE any more")

    def _stores(self) -> bool:
        uid = "1.2.98.1.1"
        with RawPeer(self._node.peer.port).associate() as peer:
            peer.store(encode(dataset(SOPInstanceUID=uid, StudyInstanceUID="1.2.98")), sop_instance=uid)
            stored = peer.status() == 0
            peer.send(pdu(RELEASE_RQ, bytes(4)))
            return stored and peer.read()[0] == RELEASE_RP


@contextmanager
def _reports_taken() -> Iterator[int]:
    """Take reports of storage commitment, so that requests for it do not become more and more; give the port."""
    listener = CommitmentListener("FUZZ", "127.0.0.1", 0, lambda _report, _address: 0)
    try:
        yield listener.port
    finally:
        listener.close()


def prove_wire(
    folder: Path,
    port: int,
    *,
    seed: int,
    numbers: range,
    look_every: int,
    done: Callable[[int, str], None],
    tls_port: int | None = None,
) -> None:
    """Run cases against a node of their own. Raises Findings.

    Args:
        folder: For the node.
        port: It listens there.
        seed: Of the cases.
        numbers: Of the cases.
        look_every: So many cases the node is looked at.
        done: Told of each case, (1, ""), and what the node costs whenever it was looked at, (0, words).
        tls_port: Where it listens with TLS; with it the cases are run inside TLS, and a quarter as many handshakes that
            begin wrong.
    """
    settings, context = ({}, None) if tls_port is None else _with_tls(folder, tls_port)
    with (
        _reports_taken() as report_port,
        ANode(folder / "node", port, **(SETTINGS | settings), peers=[believing("FUZZ", report_port)]) as node,
    ):
        proof = WireProof(node, done, tls_port or port, context)
        for start in range(numbers.start, numbers.stop, look_every):
            part = range(start, min(start + look_every, numbers.stop))
            if context is not None:
                proof.shake_hands(handshake_case(seed, number) for number in part[::_HANDSHAKE_EVERY])
            proof.run(wire_case(seed, number) for number in part)
        if node.stop() != 0:
            raise Findings("the node did not stop in order")


def _with_tls(folder: Path, port: int) -> tuple[dict[str, object], ssl.SSLContext]:
    """Return settings of a node with mutual TLS, and what calls are made with."""
    authority = Authority(folder / "authority")
    own, caller = authority.issue("node"), authority.issue("caller")
    settings = {
        "port": port,
        "certificate": str(own.certificate),
        "key": str(own.key),
        "ca": str(authority.file),
        "handshake_timeout_s": _HANDSHAKE_S,
    }
    shown = TlsClientSettings(ca=authority.file, certificate=caller.certificate, key=caller.key)
    waits = dict.fromkeys(("acse_timeout_s", "network_timeout_s", "dimse_timeout_s"), _TLS_WAIT_S)
    return {"tls": settings, **waits}, client_context(shown)
