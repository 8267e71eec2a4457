"""Who has sent us studies, when last, and how many."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from worker.ledger.database import Database
from worker.ledger.tables import Peer, Study


@dataclass(frozen=True, kw_only=True)
class SenderRow:
    """A sender as the admin sees it.

    Attributes:
        ae_title: As it called itself.
        address: That its latest study came from.
        last_at: When the latest instance of a study of its came.
        studies: Whose first instance it sent.
    """

    ae_title: str
    address: str
    last_at: datetime
    studies: int


class PeerViews(Database):
    """What is asked about senders."""

    def senders(self) -> list[SenderRow]:
        """Return who has sent, the latest first. Raises LedgerAway."""
        sent = (
            select(
                Study.calling_ae_title.label("ae_title"),
                func.count().label("studies"),
                func.max(Study.last_received_at).label("last_at"),
            )
            .group_by(Study.calling_ae_title)
            .subquery()
        )
        query = select(Peer, sent.c.studies, sent.c.last_at).outerjoin(sent, sent.c.ae_title == Peer.ae_title)
        with self.reading() as session:
            rows = [
                SenderRow(
                    ae_title=peer.ae_title,
                    address=peer.address,
                    last_at=max(peer.last_seen_at, last_at or peer.last_seen_at),
                    studies=studies or 0,
                )
                for peer, studies, last_at in session.execute(query)
            ]
        return sorted(rows, key=lambda row: row.last_at, reverse=True)
