"""A job's picture. Its place follows from the ledger alone: nothing of the address becomes part of a path."""

from pathlib import Path

from worker.ledger.views import LedgerViews
from worker.recorded_file import picture_beside

PICTURE_NAME = "picture.png"


class Pictures:
    """Finds the pictures that the pipeline left beside the results, each by its job's text SR."""

    def __init__(self, ledger: LedgerViews, results_root: Path) -> None:
        self._ledger = ledger
        self._root = results_root

    def find(self, job_id: int) -> Path | None:
        """Return the picture of a job, or None when the job is unknown or made none; raises LedgerAway."""
        told = self._ledger.text_report(job_id)
        if told is None:
            return None
        root = self._root.resolve()
        # Earlier releases gave every picture one name.
        for place in (root / picture_beside(told), (root / told).with_name(PICTURE_NAME)):
            picture = place.resolve()
            # A link, or a name that a broken ledger made up, must not lead out of the results.
            if picture.is_relative_to(root) and picture.is_file():
                return picture
        return None
