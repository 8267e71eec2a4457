"""Revisions as rows: a study, or those of its series that are read early, at the moment they were complete."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicom_node.spooling.spool_layout import instance_of, series_of
from dicom_node.study import AssembledStudy, Completion
from worker.ledger.damage import readable
from worker.ledger.database import utc_now, write_event
from worker.ledger.tables import Revision, Series, Study


def digest_of(assembled: AssembledStudy) -> str:
    """Return a digest of the files of a revision; an early one is never the same as that of the whole study."""
    return digest_of_files((file for series in assembled.series for file in series.files), assembled.completion.value)


def digest_of_files(files: Iterable[str], completion: str) -> str:
    """Return the digest of a revision by its files and what made it complete."""
    kind = [Completion.SERIES.value] if completion == Completion.SERIES.value else []
    return hashlib.sha256("\n".join([*kind, *sorted(files)]).encode()).hexdigest()


def latest_revision(session: Session, study: Study) -> Revision | None:
    """Return the latest revision of a study, None before its first."""
    query = select(Revision.id).where(Revision.study_id == study.id).order_by(Revision.number.desc()).limit(1)
    latest = session.scalar(query)
    return None if latest is None else readable(session, Revision, latest)


def add_revision(
    session: Session,
    study: Study,
    latest: Revision | None,
    assembled: AssembledStudy,
    summaries: Mapping[str, dict[str, Any]],
    *,
    event: str,
) -> Revision:
    """Record a revision after the latest one, with its series and an event of this kind."""
    revision = Revision(
        study_id=study.id,
        number=1 if latest is None else latest.number + 1,
        completion=assembled.completion.value,
        files_digest=digest_of(assembled),
        last_received_at=assembled.last_received_at,
        closed_at=utc_now(),
    )
    session.add(revision)
    session.flush()
    for series in assembled.series:
        session.add(
            Series(
                revision_id=revision.id,
                series_instance_uid=series.series_instance_uid,
                manifest=list(series.files),
                summary=summaries.get(series.series_instance_uid, {}),
            )
        )
    files = [file for series in assembled.series for file in series.files]
    instances = len({(series_of(file), instance_of(file)) for file in files})
    write_event(
        session,
        event,
        study_id=study.id,
        revision=revision.number,
        completion=assembled.completion.value,
        instances=instances,
        series=len(assembled.series),
        # Of images that came again with other bytes.
        **({"versions": len(files)} if len(files) > instances else {}),
        # Of images that were damaged here and came again.
        **({"mended": len(assembled.mended)} if assembled.mended else {}),
    )
    return revision
