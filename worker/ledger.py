"""The ledger: the truth for everything after the spool. Each part of it is one file."""

from worker.ledger_admin import AdminLedger
from worker.ledger_commitments import CommitmentLedger
from worker.ledger_deadlines import DeadlineLedger
from worker.ledger_deliveries import DeliveryLedger
from worker.ledger_destinations import DestinationLedger
from worker.ledger_facts import FactsLedger
from worker.ledger_forced import ForcedLedger
from worker.ledger_intake import IntakeLedger
from worker.ledger_jobs import JobLedger
from worker.ledger_notifications import NotificationLedger
from worker.ledger_priors import PriorLedger
from worker.ledger_retention import RetentionLedger
from worker.ledger_superseded import SupersededLedger
from worker.ledger_unread import UnreadLedger
from worker.ledger_views import LedgerViews
from worker.ledger_withdrawals import WithdrawalLedger


class Ledger(
    IntakeLedger,
    ForcedLedger,
    JobLedger,
    DeliveryLedger,
    CommitmentLedger,
    WithdrawalLedger,
    DestinationLedger,
    UnreadLedger,
    DeadlineLedger,
    NotificationLedger,
    PriorLedger,
    SupersededLedger,
    AdminLedger,
    RetentionLedger,
    LedgerViews,
    FactsLedger,
):
    """All of it over one database; `Ledger.open(url)`."""
