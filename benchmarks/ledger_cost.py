"""What a study costs the ledger, however many it holds: its transactions, from arrival to delivery."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from sqlalchemy import Table, insert, select

from benchmarks.record import Row
from dicom_node.study import Arrival, AssembledSeries, AssembledStudy, Completion, StoredInstance
from worker.jobs.job import DeliveryState, JobState
from worker.jobs.job_records import ResultFile
from worker.ledger.ledger import Ledger
from worker.ledger.planned_read import Planned
from worker.ledger.retention import rows_of_study
from worker.ledger.tables import Base, Study
from worker.object_kinds import DEFAULT_KINDS

SIZES = (100, 10_000, 100_000)
#: Of so many studies the median is taken at each size.
_MEASURED = 60
#: How much more a study may cost in the largest ledger than in the smallest.
_FLAT = 1.5
_MODELS = ("constant-answer", "brain-structures", "ecg-rhythm")
_KINDS = ("SEG", "SR", "TEXT-SR", "SC")
_CHUNK = 1000
_TOLD_OF = [JobState.FAILED]


def ledger_rows(
    name: str, ledger: Ledger, sizes: Sequence[int] = SIZES, *, say: Callable[[str], None]
) -> Iterator[Row]:
    """Fill an empty ledger step by step, and measure a study at each size."""
    costs: list[float] = []
    one_study(ledger, 0)
    held = measured = 1
    for size in sizes:
        say(f"{name}: filling up to {size} studies")
        _fill(ledger, range(held, size))
        seconds = [_timed(ledger, measured + number) for number in range(_MEASURED)]
        measured += _MEASURED
        held = max(held, size) + _MEASURED
        costs.append(median(seconds) * 1000)
        yield Row(
            case=f"{name}: all transactions of a study in a ledger of {size}",
            unit="ms",
            ours=round(costs[-1], 2),
            target=round(costs[0] * _FLAT, 2),
            peer=round(costs[0], 2),
            peer_name=f"in a ledger of {sizes[0]}",
        )


def _timed(ledger: Ledger, number: int) -> float:
    started = time.perf_counter()
    one_study(ledger, number)
    return time.perf_counter() - started


def one_study(ledger: Ledger, number: int) -> None:
    """Do to the ledger what a study does that is read by one model of three and sent to one archive."""
    study, now = f"1.2.826.1.{number}", datetime.now(UTC)
    ledger.study_receiving(_instance(study, now))
    ledger.close_revision(_assembled(study, now), {}, [_planned(name) for name in _MODELS])
    ledger.free_expired(max_attempts=3, retry_delay_s=5)
    ledger.free_expired_deliveries()
    ledger.requeue_silent(silent_s=15)
    ledger.requeue_unread(_TOLD_OF, silent_s=15)
    ledger.tokens_published([token for token, _, _ in ledger.waiting_tokens()])
    claim = ledger.claim(["cpu"], worker="w", lease_s=60)
    if claim is None:
        raise ValueError("the job of a study that was just closed is there to be claimed")
    ledger.renew(claim, lease_s=60)
    ledger.finish(
        claim,
        results=[_result(f"2.25.{number}{place}", kind) for place, kind in enumerate(_KINDS)],
        destinations={"pacs": DEFAULT_KINDS},
        runtime="r",
        inputs_digest="i",
        recipe_digest="c",
    )
    batch = ledger.claim_deliveries("pacs", lease_s=60)
    if batch is None:
        raise ValueError("the results of a job that was just read are there to be sent")
    for item in batch.objects:
        ledger.delivered(item, DeliveryState.ACCEPTED, status=0)


def _instance(study: str, now: datetime) -> StoredInstance:
    return StoredInstance(
        study_instance_uid=study,
        series_instance_uid=f"{study}.1",
        sop_instance_uid=f"{study}.1.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        file=f"{study}/1/1.dcm",
        size_bytes=1000,
        arrival=Arrival.NEW,
        own=False,
        calling_ae_title="PACS",
        sender_address="192.0.2.1",
        received_at=now,
    )


def _assembled(study: str, now: datetime) -> AssembledStudy:
    return AssembledStudy(
        study_instance_uid=study,
        folder=study,
        series=(AssembledSeries(series_instance_uid=f"{study}.1", files=_files(study)),),
        completion=Completion.QUIET,
        calling_ae_title="PACS",
        first_received_at=now,
        last_received_at=now,
    )


def _planned(model: str) -> Planned:
    runs = model == _MODELS[0]
    return Planned(
        model_id=model,
        model_digest=model.ljust(64, "0"),
        name=model,
        version="1",
        queue="cpu",
        runs=runs,
        series_instance_uid="1" if runs else "",
        files=("1.dcm",) if runs else (),
        input_key="k",
        late_images="rerun",
        reason="the only series",
    )


def _result(uid: str, kind: str) -> ResultFile:
    return ResultFile(
        kind=kind,
        sop_class_uid="1.2",
        sop_instance_uid=uid,
        series_instance_uid="1.3",
        file=f"{uid}.dcm",
        sha256="0" * 64,
    )


def _files(study: str) -> tuple[str, ...]:
    return tuple(f"{study}/1/{number}.dcm" for number in range(12))


def _fill(ledger: Ledger, copies: range) -> None:
    """Add copies of a study's rows, of whatever table points to it, each with a UID of its own."""
    with ledger.reading() as session:
        study = session.scalars(select(Study.id).order_by(Study.id).limit(1)).one()
        tables = [(table, rows_of_study(table, study)) for table in Base.metadata.sorted_tables]
        rows = {
            table: [dict(row) for row in session.execute(select(table).where(owned)).mappings()]
            for table, owned in tables
            if owned is not None
        }
    for start in range(copies.start, copies.stop, _CHUNK):
        _copy(ledger, rows, range(start, min(start + _CHUNK, copies.stop)))


def _copy(ledger: Ledger, rows: Mapping[Table, list[dict[str, Any]]], copies: range) -> None:
    fresh: dict[tuple[Table, int, int], int] = {}  # of a table's row and a copy: the copy's id
    with ledger.writing() as session:
        for table, originals in rows.items():
            wanted = [(row, copy) for copy in copies for row in originals]
            values = [_moved(table, row, copy, fresh) for row, copy in wanted]
            if not values:
                continue
            if "id" not in table.c:
                session.execute(insert(table), values)
                continue
            made = session.scalars(insert(table).returning(table.c.id, sort_by_parameter_order=True), values)
            fresh |= {(table, row["id"], copy): new for (row, copy), new in zip(wanted, made, strict=True)}


def _moved(table: Table, row: dict[str, Any], copy: int, fresh: Mapping[tuple[Table, int, int], int]) -> dict[str, Any]:
    """Return a row that points to its own copy's rows instead."""
    moved = {name: value for name, value in row.items() if name != "id"}
    for key in table.foreign_keys:
        old = moved[key.parent.name]
        moved[key.parent.name] = fresh.get((key.column.table, old, copy), old)  # type: ignore[arg-type]
    if table is Study.__table__:
        moved["study_instance_uid"] = moved["folder"] = f"1.2.826.2.{copy}"
    return moved
