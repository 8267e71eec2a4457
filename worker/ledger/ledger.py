"""The ledger: the truth for everything after the spool. Each part of it is one file."""

from worker.ledger.admin import AdminLedger
from worker.ledger.commitments import CommitmentLedger
from worker.ledger.deadlines import DeadlineLedger
from worker.ledger.deliveries import DeliveryLedger
from worker.ledger.destinations import DestinationLedger
from worker.ledger.facts import FactsLedger
from worker.ledger.forced import ForcedLedger
from worker.ledger.intake import IntakeLedger
from worker.ledger.jobs import JobLedger
from worker.ledger.looks import LookLedger
from worker.ledger.notices import NoticeLedger
from worker.ledger.notifications import NotificationLedger
from worker.ledger.priors import PriorLedger
from worker.ledger.resending import ResendingLedger
from worker.ledger.retention import RetentionLedger
from worker.ledger.superseded import SupersededLedger
from worker.ledger.tokens import TokenLedger
from worker.ledger.unread import UnreadLedger
from worker.ledger.views import LedgerViews
from worker.ledger.withdrawals import WithdrawalLedger


class Ledger(
    IntakeLedger,
    ForcedLedger,
    JobLedger,
    TokenLedger,
    DeliveryLedger,
    LookLedger,
    ResendingLedger,
    CommitmentLedger,
    WithdrawalLedger,
    DestinationLedger,
    UnreadLedger,
    DeadlineLedger,
    NotificationLedger,
    NoticeLedger,
    PriorLedger,
    SupersededLedger,
    AdminLedger,
    RetentionLedger,
    LedgerViews,
    FactsLedger,
):
    """All of it over one database; `Ledger.open(url)`."""
