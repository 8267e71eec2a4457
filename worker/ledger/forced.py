"""Studies that an admin calls complete: the wish is kept in the ledger until the node has closed them."""

from sqlalchemy import func, select

from worker.errors import IllegalTransition, UnknownStudy
from worker.ledger.database import Database, write_event
from worker.ledger.tables import Event, Study

_ASKED = "completion asked for"
_CLOSED = "study complete"


class ForcedLedger(Database):
    """Wishes that a study be closed."""

    def ask_completion(self, study_instance_uid: str) -> None:
        """Note that an admin calls a study complete. Raises UnknownStudy, and IllegalTransition if it is closed."""
        with self.writing() as session:
            study = session.scalar(select(Study).where(Study.study_instance_uid == study_instance_uid))
            if study is None:
                raise UnknownStudy(
                    f"no image of study {study_instance_uid} has come; the page's /studies has all that have"
                )
            if not study.receiving:
                raise IllegalTransition(
                    f"study {study_instance_uid} is complete already; its jobs are in `wetread jobs`, and later images "
                    "open another revision by themselves"
                )
            write_event(session, _ASKED, study_id=study.id)

    def completion_asked(self) -> list[str]:
        """Return the Study Instance UIDs of studies that still arrive and are called complete by an admin."""
        closed = (
            select(func.coalesce(func.max(Event.id), 0))
            .where(Event.study_id == Study.id, Event.kind == _CLOSED)
            .correlate(Study)
            .scalar_subquery()
        )
        asked = select(Event.id).where(Event.study_id == Study.id, Event.kind == _ASKED, Event.id > closed)
        query = select(Study.study_instance_uid).where(Study.receiving, asked.correlate(Study).exists())
        with self.reading() as session:
            return list(session.scalars(query.order_by(Study.id)))
