"""Storage commitment of what was delivered: asks the archives, takes their reports, and tells the ledger both."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from dicom_node.admitting.host_names import HostNames
from dicom_node.archives.commitment import INVALID_ARGUMENT, PROCESSING_FAILURE, ask_for_commitment, failure_meaning
from dicom_node.archives.commitment_report import CommitmentReport
from dicom_node.archives.requestor import Requestor
from dicom_node.errors import ArchiveError
from dicom_node.peer_settings import network_of
from worker.errors import LedgerAway
from worker.ledger.ledger import Ledger
from worker.settings import DeliverySettings

_log = structlog.get_logger()

_SUCCESS = 0x0000
_DAY_S = 86400.0


@dataclass(frozen=True, kw_only=True)
class CommitmentPlan:
    """How a destination is asked.

    Attributes:
        requestor: Whom to ask, and as whom.
        timeout_s: How long a report is waited for before it is asked again; it doubles.
        linger_s: How long the association of a request stays open for its report.
    """

    requestor: Requestor
    timeout_s: float
    linger_s: float


class Committer:
    """Asks one request at a time for each destination; reports are taken from any thread."""

    def __init__(self, ledger: Ledger, plans: Mapping[str, CommitmentPlan], settings: DeliverySettings) -> None:
        """Take the plans by destination; nothing is resolved or asked yet."""
        self._ledger = ledger
        self._plans = plans
        self._settings = settings
        self._hosts = {name: plan.requestor.peer.host for name, plan in plans.items()}
        self._names = HostNames(host for host in self._hosts.values() if network_of(host) is None)

    def start(self) -> None:
        """Resolve the names of hosts from now on."""
        self._names.start()

    def stop(self) -> None:
        """Resolve no longer."""
        self._names.stop()

    def ask_one(self, destination: str) -> bool:
        """Make the next request that is due; return whether one was. Raises ArchiveUnreachable, AssociationRejected."""
        plan = self._plans[destination]
        batch = self._ledger.claim_commitment(
            destination, timeout_s=plan.timeout_s, give_up_after_s=self._settings.give_up_after_days * _DAY_S
        )
        if batch is None:
            return False
        if not batch.instances:
            return True
        log = _log.bind(job=batch.job_id, destination=destination, transaction=batch.transaction_uid)
        try:
            ask_for_commitment(
                plan.requestor,
                batch.transaction_uid,
                batch.instances,
                take_report=lambda report, _: self._take(report, (destination,)),
                linger_s=plan.linger_s,
            )
        except ArchiveError as error:
            self._ledger.postpone_commitment(
                batch,
                reason=str(error),
                first_retry_s=self._settings.first_retry_s,
                longest_retry_s=self._settings.longest_retry_s,
            )
            log.warning("commitment not asked", cause=str(error))
            raise
        log.info("commitment asked", objects=len(batch.instances))
        return True

    def take_report(self, report: CommitmentReport, address: str, *, over_tls: bool = False) -> int:
        """Take a report that came on an association of its own; return the status to answer."""
        return self._take(report, self._at(address, over_tls=over_tls))

    def take_report_from(self, report: CommitmentReport, ae_title: str) -> int:
        """Take a report of an archive that is known by its AE title; return the status to answer."""
        return self._take(
            report,
            tuple(name for name, plan in self._plans.items() if plan.requestor.peer.ae_title == ae_title),
        )

    def admits(self, address: str, *, over_tls: bool = False) -> bool:
        """Say whether a destination that is asked for commitment calls from there, and in this way."""
        return bool(self._at(address, over_tls=over_tls))

    def _at(self, address: str, *, over_tls: bool) -> tuple[str, ...]:
        known = self._names.addresses
        caller = _plain(address)
        return tuple(
            name
            for name, host in self._hosts.items()
            if caller in {_plain(found) for found in known.get(host, (host,))}
            and (over_tls or not self._needs_tls(name))
        )

    def _needs_tls(self, destination: str) -> bool:
        """Say whether a report of this destination counts inside TLS alone: else anybody on the way could make one."""
        secured = self._plans[destination].requestor.peer.tls is not None
        return secured and self._settings.commitment_tls_port is not None

    def _take(self, report: CommitmentReport, destinations: tuple[str, ...]) -> int:
        log = _log.bind(transaction=report.transaction_uid, destinations=destinations)
        try:
            known = self._ledger.commitment_reported(
                report.transaction_uid,
                committed=report.committed,
                failed={uid: failure_meaning(reason) for uid, reason in report.failed.items()},
                destinations=destinations,
                first_retry_s=self._settings.first_retry_s,
                longest_retry_s=self._settings.longest_retry_s,
                give_up_after_s=self._settings.give_up_after_days * _DAY_S,
            )
        except LedgerAway as error:
            log.warning("commitment report not recorded", cause=str(error))
            return PROCESSING_FAILURE
        if not known:
            log.warning("commitment report on a request that is not ours")
            return INVALID_ARGUMENT
        log.info("commitment reported", committed=len(report.committed), failed=len(report.failed))
        return _SUCCESS


def _plain(address: str) -> str:
    """Return an address as it is compared: an IPv4 one in IPv6's clothes is the IPv4 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
