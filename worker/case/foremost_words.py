"""What stands before everything else on whatever people look at: critical, late, and that an earlier read has gone.

With it that this one was made on another series.
"""

from worker.case.case import Case
from worker.case.notification_words import critical_sentences, late_sentences
from worker.case.other_series_words import changed_series_sentences
from worker.case.superseded import superseding_sentences


def foremost_sentences(case: Case) -> tuple[str, ...]:
    """Return it, the most urgent first; empty where the read is like any other."""
    return (
        *critical_sentences(case.critical, case.words),
        *late_sentences(case.late_after_s, case.words),
        *superseding_sentences(case.superseded, case.words, case.report.zone),
        *changed_series_sentences(case.changed, case.words),
    )
