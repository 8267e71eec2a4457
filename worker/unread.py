"""What was not read must not look normal: a note in the study, made from the headers of what had arrived."""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.error_place import defect_of
from dicom_node.errors import NodeError
from models.card.manifest import Card
from models.catalog import Catalog
from models.errors import ModelError
from models.findings import Reading
from models.volume import Image
from worker import results
from worker.case.case import Case
from worker.errors import SeriesUnreadable, WorkerError
from worker.gate import output_gate
from worker.instances.bounded_inflating import read_header
from worker.instances.sender_characters import AssumedSets, settle
from worker.jobs.job import JobState
from worker.jobs.routing import Conditions, Facts, routed
from worker.ledger.ledger import Ledger
from worker.ledger.tables import ADDENDUM
from worker.ledger.unread import UnreadJob
from worker.object_kinds import Kind
from worker.objects.object_encoding import ResultObject
from worker.provenance import Provenance
from worker.result_files import write_result
from worker.series.series_volume import LoadedSeries
from worker.settings import ReportSettings

_log = structlog.get_logger()

#: The class of error that the ledger's reasons begin with; an admin wants it, a radiologist does not.
_ERROR_NAME = re.compile(r"^[A-Z][A-Za-z]+: ")


@dataclass(frozen=True, kw_only=True)
class UnreadNotes:
    """Writes the notes that the ledger asks for.

    Attributes:
        ledger: Opened in this process.
        catalog: Returns the models of this machine as they are now.
        spool: Root of the spool.
        results: Root of the results.
        destinations: Kinds of object that each destination gets, by its name.
        told_of: Which ends of a job each destination is told of, by its name.
        report: How results speak.
        recipe: Digest of every setting that alters output.
        assumed: Character sets of senders whose objects declare none, or a wrong one.
        conditions: Which studies each destination hears of, by its name; left out: of all.
    """

    ledger: Ledger
    catalog: Callable[[], Catalog]
    spool: Path
    results: Path
    destinations: Mapping[str, Collection[Kind]]
    told_of: Mapping[str, Collection[JobState]]
    report: ReportSettings
    recipe: str
    assumed: AssumedSets = field(default_factory=dict)
    conditions: Mapping[str, Conditions] = field(default_factory=dict)

    def write_one(self, queues: Sequence[str]) -> bool:
        """Write the note of one job of these queues that was not read; return whether there was one."""
        # Every failure is looked at, so that the timeline says where nobody was told.
        states = {JobState.FAILED, *(state for told in self.told_of.values() for state in told)}
        unread = self.ledger.next_unread(queues, states)
        if unread is None:
            return False
        made: list[Any] = []
        wanting = self._wanting(unread)
        if not wanting:
            outcome = "no destination asks for a note"
        else:
            try:
                note = self._note(unread)
            except (WorkerError, ModelError, OSError) as error:
                outcome = f"no note can be made: {error}"
            except Exception as error:  # noqa: BLE001  # the outermost frame of a note: others wait behind it
                # The message of a foreign exception may hold a patient's data: only its type and place are told.
                outcome = f"no note can be made: {defect_of(error)}"
            else:
                outcome = "a note says so"
                made = [write_result(self.results, f"{unread.study_folder}/{unread.job_id}", note, name="not-read")]
        self.ledger.note_unread(unread, results=made, destinations=wanting, why=outcome)
        _log.info("unread noted", job=unread.job_id, model=unread.model_id, outcome=outcome)
        return True

    def _wanting(self, unread: UnreadJob) -> dict[str, Collection[Kind]]:
        facts = Facts(sender=unread.calling_ae_title, model_id=unread.model_id, modality=self._modality(unread))
        return {
            name: kinds
            for name, kinds in routed(self.destinations, self.conditions, facts).items()
            if "TEXT-SR" in kinds and (unread.reason == ADDENDUM or unread.state in self.told_of.get(name, ()))
        }

    def _modality(self, unread: UnreadJob) -> str:
        """Return the series' modality, where a destination asks for it and a header can be read."""
        if not any(conditions.modalities for conditions in self.conditions.values()):
            return ""
        try:
            return str(_heads([self.spool / file for file in unread.files])[0].get("Modality", ""))
        except (WorkerError, *PARSE_ERRORS):
            return ""

    def _note(self, unread: UnreadJob) -> ResultObject:
        card = self.catalog().get(unread.model_id).card
        files = [self.spool / file for file in unread.files]
        return note_of(unread, files, card, self.report, self.recipe, self.assumed)


def note_of(
    unread: UnreadJob,
    files: Sequence[Path],
    card: Card,
    report: ReportSettings,
    recipe: str,
    assumed: AssumedSets | None = None,
) -> ResultObject:
    """Return the text SR that says why this model has not read this study; the same job and reason, the same bytes.

    Args:
        unread: From the ledger.
        files: In the spool.
        card: Of the model, as it is on this machine now.
        report: Language and zone.
        recipe: Digest of every setting that alters output.
        assumed: Character sets of senders.

    Raises SeriesUnreadable where no header can be read, SourceRefused where none says whose it is, OutputRefused.
    """
    heads = _heads(files)
    settle(heads[0], assumed or {})
    case = Case.of(
        LoadedSeries(
            source=Image(array=np.zeros((0, 0, 0)), spacing_mm=None),
            datasets=tuple(heads),
            frame_numbers=(),
            inputs_digest=_digest(heads),
            repairs=(),
        ),
        Reading(),
        Provenance(
            card=card,
            model_digest=unread.model_digest,
            inputs_digest=_digest(heads),
            recipe_digest=recipe,
            read_at=unread.queued_at.astimezone(report.zone),
            runtime="none",
        ),
        report,
    )
    made = results.not_read(case, _told(unread, len(heads)))
    output_gate.check([made], case)
    return made


def _told(unread: UnreadJob, images: int) -> str:
    if unread.reason == ADDENDUM and unread.read_before:
        return f"later images came: it has read {unread.read_before} of {images} images, and that read stands"
    return _ERROR_NAME.sub("", unread.reason)


def _heads(files: Sequence[Path]) -> list[Any]:
    """Read the headers of one series; what cannot be read is left out: it may be the reason for the note."""
    heads: list[Any] = []
    for file in sorted(files):
        try:
            head = read_header(file)
            named = all(head.get(keyword) for keyword in ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID"))
        except (*PARSE_ERRORS, NodeError):
            continue
        if named and (not heads or head.SeriesInstanceUID == heads[0].SeriesInstanceUID):
            heads.append(head)
    if not heads:
        raise SeriesUnreadable("no file of this series has a readable header, so no note can name the patient")
    return heads


def _digest(heads: Sequence[Any]) -> str:
    return hashlib.sha256("\n".join(sorted(str(head.SOPInstanceUID) for head in heads)).encode()).hexdigest()
