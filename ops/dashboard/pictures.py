"""A job's picture. Its place follows from the ledger alone: nothing of the address becomes part of a path."""

from pathlib import Path

from worker.ledger_views import LedgerViews

PICTURE_NAME = "picture.png"


class Pictures:
    """Finds the pictures that the pipeline left beside the results: <study folder>/<job id>/picture.png."""

    def __init__(self, ledger: LedgerViews, results_root: Path) -> None:
        self._ledger = ledger
        self._root = results_root

    def find(self, job_id: int) -> Path | None:
        """Return the picture of a job, or None when the job is unknown or made none; raises LedgerAway."""
        folder = self._ledger.study_folder(job_id)
        return None if folder is None else self.find_in(folder, job_id)

    def find_in(self, study_folder: str, job_id: int) -> Path | None:
        """Return the picture of a job of a study whose folder is known, or None when it made none."""
        root = self._root.resolve()
        picture = (root / study_folder / str(job_id) / PICTURE_NAME).resolve()
        # A link, or a folder name that a broken ledger made up, must not lead out of the results.
        return picture if picture.is_relative_to(root) and picture.is_file() else None
