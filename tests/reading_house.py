"""Everything that reads a study, in one process: real ledger, real files, a real network; nothing is sent."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydicom import dcmread

from dicom_node.study import AssembledSeries, AssembledStudy, Completion
from models.catalog import Catalog
from models.loaded import LoadedModel
from models.runtimes.onnx_runtime import OnnxRuntime
from models.runtimes.runtime import Infer
from models.testing import write_threshold_model
from worker.gate.bundle import content_items
from worker.jobs.admin_rows import JobRow
from worker.ledger.ledger import Ledger
from worker.ledger.planned_read import Planned
from worker.object_kinds import DEFAULT_KINDS, Kind
from worker.pipeline import Pipeline
from worker.priors.archive_priors import EarlierArchive
from worker.priors.priors import Priors
from worker.selecting.other_series import NO_OTHERS, OtherSeries
from worker.settings import ReportSettings, WorkerSettings
from worker.testing import write_mr_series

SECRET = b"s" * 32
MODEL = "constant-answer"


class LocalHost:
    """A `worker.pipeline.Host` in this process."""

    def __init__(self, models: Path) -> None:
        entry = Catalog.scan((models,)).get(MODEL)
        self._loaded = LoadedModel.load(entry, OnnxRuntime(), 1)

    def infer_for(self, model_id: str, model_digest: str) -> Infer:
        """Return the only model's networks."""
        del model_id, model_digest
        return self._loaded.infer

    @property
    def runtime(self) -> str:
        """What runs it."""
        return self._loaded.runtime


@dataclass(frozen=True, kw_only=True)
class House:
    """Reads studies below `root`; its ledger keeps them.

    Attributes:
        root: Of models, spool and results.
        ledger: Its memory.
        archives: That are searched for earlier reads.
        priors: Whether anything is compared.
        kinds: What is made of a read; a picture takes as long as all the rest.
        threshold: Of the model; another one is another model of the same version.
        report: How results speak.
    """

    root: Path
    ledger: Ledger
    archives: Mapping[str, EarlierArchive] = field(default_factory=dict)
    priors: bool = True
    kinds: tuple[Kind, ...] = DEFAULT_KINDS
    threshold: float = 0.5
    report: ReportSettings = field(default_factory=ReportSettings)

    def read(self, seed: int, *, slices: int, **attributes: str) -> "Read":
        """Write a study with a bright box so many slices high (0.768 ml each), queue it, read it."""
        box = np.zeros((16, 16, 16), np.uint16)
        box[2 : 2 + slices, 4:12, 4:12] = 1000
        files = write_mr_series(self.root / "spool" / str(seed), seed=seed, array=box, attributes=attributes)
        return self.read_files(files)

    def read_files(self, files: list[Path]) -> "Read":
        """Queue a study of the spool and read it."""
        self.queue_files(files)
        assert self.pipeline().work_one(["cpu"], "test")
        return Read(self, self.ledger.jobs(limit=1)[0])

    def queue_files(self, files: list[Path], others: OtherSeries = NO_OTHERS) -> None:
        """Queue a study of the spool, of which `others` fit the model as well."""
        models = self.root / "models"
        write_threshold_model(models, threshold=self.threshold)
        entry = Catalog.scan((models,)).get(MODEL)
        head = dcmread(files[0])
        names = tuple(str(file.relative_to(self.root / "spool")) for file in files)
        now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.ledger.close_revision(
            AssembledStudy(
                study_instance_uid=str(head.StudyInstanceUID),
                folder=hashlib.sha256(str(head.StudyInstanceUID).encode()).hexdigest(),
                series=(AssembledSeries(series_instance_uid=str(head.SeriesInstanceUID), files=names),),
                completion=Completion.QUIET,
                calling_ae_title="PACS",
                first_received_at=now,
                last_received_at=now,
            ),
            {},
            [
                Planned(
                    model_id=MODEL,
                    model_digest=entry.digest,
                    name=entry.card.name,
                    version=entry.card.version,
                    queue="cpu",
                    runs=True,
                    series_instance_uid=str(head.SeriesInstanceUID),
                    files=names,
                    input_key=names[0],
                    late_images="rerun",
                    reason="the only series",
                    others=others,
                )
            ],
        )

    def pipeline(self) -> Pipeline:
        """Return what works its jobs."""
        models, results = self.root / "models", self.root / "results"
        found = Priors(ledger=self.ledger, results=results, secret=SECRET, archives=self.archives)
        return Pipeline(
            ledger=self.ledger,
            catalog=lambda: Catalog.scan((models,)),
            host=LocalHost(models),
            spool=self.root / "spool",
            results=results,
            destinations={"pacs": self.kinds},
            report=self.report,
            settings=WorkerSettings(max_attempts=1),
            priors=found if self.priors else None,
        )


class Read:
    """What became of a study.

    Attributes:
        job: As the ledger has it.
        files: The results by kind.
        sentences: Of the text SR.
        notes: What the ledger noted of the read.
    """

    def __init__(self, house: House, job: JobRow) -> None:
        assert job.state == "read", job.reason
        self.job = job
        self.files = {item.kind: house.root / "results" / item.file for item in job.deliveries}
        report = dcmread(self.files["TEXT-SR"])
        self.text = report
        self.sentences = [str(item.TextValue) for item in content_items(report) if item.get("ValueType") == "TEXT"]
        events = house.ledger.timeline(job.study_instance_uid)
        self.notes = [note for event in events for note in event.detail.get("notes", ())]

    @property
    def compared(self) -> list[str]:
        """What the text SR says of an earlier read."""
        return [line for line in self.sentences if "Compared with" in line or "\N{RIGHTWARDS ARROW}" in line]
