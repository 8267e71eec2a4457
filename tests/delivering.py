"""`wetread deliver` as a real process over a ledger with jobs that were read, without a node or a worker before it."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydicom import dcmread

from dicom_node.study import AssembledSeries, AssembledStudy, Completion
from worker.jobs.admin_rows import DeliveryRow, JobRow
from worker.jobs.job import DeliveryState
from worker.jobs.job_records import ResultFile
from worker.ledger.ledger import Ledger
from worker.ledger.planned_read import Planned
from worker.testing import write_mr_series


class DeliveryHouse:
    """A data directory, the ledger in it, and one deliverer.

    Attributes:
        data: The directory.
        ledger: Open in the test's process.
    """

    def __init__(self, folder: Path, settings: str) -> None:
        """Write the settings, which are TOML from [delivery] on; nothing is started yet."""
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self._settings, self._log = folder / "wetread.toml", folder / "deliver.log"
        self._settings.write_text(f'data = "{self.data}"\n{settings}')
        self.ledger = Ledger.open(f"sqlite:///{self.data}/ledger.sqlite3")
        self._process: subprocess.Popen[bytes] | None = None
        self._studies = 0

    def start(self) -> None:
        """Start the deliverer."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ops.cli", "deliver", "--settings", str(self._settings)],
                stdout=log,
                stderr=log,
                env={**os.environ, "WETREAD_LOG_JSON": "1", "PYTHONFAULTHANDLER": "1"},
            )

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> int:
        """Stop it with SIGTERM; return its exit code."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            return self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # its log then says where each thread is
            self._process.wait()
            pytest.fail(f"the deliverer does not stop:\n{self.log()[-6000:]}")
        finally:
            self._process = None

    def close(self) -> None:
        """Stop what is left; its log is shown where a test has failed."""
        self.stop()
        print(self.log()[-8000:])  # noqa: T201
        self.ledger.close()

    def log(self) -> str:
        """Return what it has logged."""
        return self._log.read_text() if self._log.exists() else ""

    def read(self, destinations: Collection[str], *, objects: int = 2, sources: Sequence[Path] = ()) -> JobRow:
        """Record a job that was read; its objects are images of another series, and wait for these destinations."""
        self._studies += 1
        number = self._studies
        made = write_mr_series(self.data / "results" / f"s{number}", seed=1000 + number, slices=objects)
        if not sources:
            sources = write_mr_series(self.data / "spool" / f"s{number}", seed=number, slices=2)
        head = dcmread(sources[0])
        files = tuple(str(file.relative_to(self.data / "spool")) for file in sources)
        self.ledger.close_revision(_assembled(str(head.StudyInstanceUID), number, files), {}, [_planned(number, files)])
        claim = self.ledger.claim(["cpu"], worker="w", lease_s=60)
        assert claim is not None
        self.ledger.finish(
            claim,
            results=[_result(file, self.data / "results", index) for index, file in enumerate(made)],
            destinations=dict.fromkeys(destinations, ("SEG", "SR")),
            runtime="r",
            inputs_digest="i",
            recipe_digest="c",
        )
        row = self.ledger.job(claim.job_id)
        assert row is not None
        return row

    def deliveries(self, job: JobRow) -> tuple[DeliveryRow, ...]:
        """Return the deliveries of a job as they are now."""
        row = self.ledger.job(job.id)
        assert row is not None
        return row.deliveries

    def states(self, job: JobRow) -> set[DeliveryState]:
        """Return the states of a job's deliveries."""
        return {item.state for item in self.deliveries(job)}

    def events(self, job: JobRow, kind: str) -> int:
        """Count events of a job's study."""
        return sum(event.kind == kind for event in self.ledger.timeline(job.study_instance_uid))


def _assembled(study: str, number: int, files: tuple[str, ...]) -> AssembledStudy:
    now = datetime.now(UTC)
    return AssembledStudy(
        study_instance_uid=study,
        folder=f"s{number}",
        series=(AssembledSeries(series_instance_uid=f"{study[:60]}.1", files=files),),
        completion=Completion.QUIET,
        calling_ae_title="TEST",
        first_received_at=now,
        last_received_at=now,
    )


def _planned(number: int, files: tuple[str, ...]) -> Planned:
    return Planned(
        model_id="constant-answer",
        model_digest="a" * 64,
        name="Constant answer",
        version="1",
        queue="cpu",
        runs=True,
        series_instance_uid=f"1.2.3.{number}",
        files=files,
        input_key=f"key-{number}",
        late_images="rerun",
        reason="the only series",
    )


def _result(file: Path, root: Path, index: int) -> ResultFile:
    head = dcmread(file)
    return ResultFile(
        kind=("SEG", "SR")[index % 2],
        sop_class_uid=str(head.SOPClassUID),
        sop_instance_uid=str(head.SOPInstanceUID),
        series_instance_uid=str(head.SeriesInstanceUID),
        file=str(file.relative_to(root)),
        sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
    )
