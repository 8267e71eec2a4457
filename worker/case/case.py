"""A case: everything that the objects of one read are made of."""

from dataclasses import dataclass
from typing import Any

from models.findings import Reading
from models.interpreting.critical_reason import CriticalReason
from worker.case.changed_series import ChangedSeries
from worker.case.prior import Prior
from worker.case.sentences import Words, words_in
from worker.instances.source_repairs import Identity, identity_of
from worker.jobs.superseded_read import SupersededRead
from worker.provenance import Provenance
from worker.selecting.other_series import NO_OTHERS, OtherSeries
from worker.series.series_volume import LoadedSeries
from worker.settings import ReportSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """One read of one series by one model, on its way to become objects.

    Attributes:
        series: What was read.
        reading: What was found.
        provenance: Where UIDs and times come from, and the model's card.
        identity: What results say of patient and study.
        report: The site's wishes: language, measurements, thresholds.
        critical: Why somebody is told of this read at once; empty where it is not critical.
        late_after_s: The deadline that had passed before this read; None where it came in time, or has none.
        prior: What has changed since an earlier read of the same patient; None where there is no comparison.
        superseded: The read of fewer images that this one supersedes; None where there is none.
        others: What the study has beside what was read.
        repeated: What is told of images that came more than once, and of which the newest was read.
        changed: Series that were read in place of those that the superseded read was made on.
    """

    series: LoadedSeries
    reading: Reading
    provenance: Provenance
    identity: Identity
    report: ReportSettings
    critical: tuple[CriticalReason, ...] = ()
    late_after_s: float | None = None
    prior: Prior | None = None
    superseded: SupersededRead | None = None
    others: OtherSeries = NO_OTHERS
    repeated: tuple[str, ...] = ()
    changed: tuple[ChangedSeries, ...] = ()

    @classmethod
    def of(
        cls, series: LoadedSeries, reading: Reading, provenance: Provenance, report: ReportSettings | None = None
    ) -> "Case":
        """Make a case of what was read. Raises SourceRefused when the source cannot say whose it is."""
        return cls(
            series=series,
            reading=reading,
            provenance=provenance,
            identity=identity_of(series.datasets[0]),
            report=report or ReportSettings(),
        )

    @property
    def words(self) -> Words:
        """Says things in the site's language."""
        return words_in(self.report.language)

    @property
    def head(self) -> Any:
        """The first dataset that was read: patient, study and equipment are the same in all."""
        return self.series.datasets[0]
