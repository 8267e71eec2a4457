"""What a worker does to a ledger, in a line: it claims the next job, and records what it has read."""

from collections.abc import Collection, Iterable, Mapping

from worker.jobs.admin_rows import JobRow
from worker.jobs.job_records import Claim, OutgoingBatch, ResultFile
from worker.ledger.ledger import Ledger


def claim_next(ledger: Ledger, worker: str = "w", *, lease_s: float = 60) -> Claim:
    """Claim what must be there."""
    claim = ledger.claim(["cpu"], worker=worker, lease_s=lease_s)
    assert claim is not None
    return claim


def result_file(kind: str, sop_instance_uid: str, **more: str) -> ResultFile:
    """Return an object that a read has made; no file is written."""
    values = {"sop_class_uid": "1.2", "series_instance_uid": "1.3", "file": f"f/{kind}.dcm", "sha256": "0"}
    return ResultFile(kind=kind, sop_instance_uid=sop_instance_uid, **(values | more))


def record(
    ledger: Ledger,
    claim: Claim,
    results: Iterable[ResultFile] = (),
    destinations: Mapping[str, Collection[str]] | None = None,
    **more: object,
) -> None:
    """Record that a job was read, and what was made of it."""
    values = {"runtime": "r", "inputs_digest": "i", "recipe_digest": "c"}
    ledger.finish(claim, results=results, destinations=destinations or {}, **(values | more))  # type: ignore[arg-type]


def next_batch(ledger: Ledger, destination: str = "near") -> OutgoingBatch:
    """Claim the deliveries that must be there."""
    batch = ledger.claim_deliveries(destination, lease_s=60)
    assert batch is not None
    return batch


def job_of(ledger: Ledger, job_id: int) -> JobRow:
    """Return a job as it is now."""
    row = ledger.job(job_id)
    assert row is not None
    return row
