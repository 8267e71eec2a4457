"""`wetread celery-worker` in which some studies do harm, as a defect in a decoder would: by their description."""

import os
import signal
import sys
import threading

from pydicom import dcmread

from ops import cli
from worker.jobs.job_records import Claim
from worker.pipeline import Pipeline

_read = Pipeline._do


def _do(self: Pipeline, claim: Claim) -> None:
    harm = str(dcmread(self.spool / claim.files[0], specific_tags=["SeriesDescription"]).SeriesDescription)
    if harm == "KILLS":
        os.kill(os.getpid(), signal.SIGKILL)
    if harm == "HANGS":
        threading.Event().wait()
    if harm == "EATS":
        bytearray(64 << 30)
    _read(self, claim)


Pipeline._do = _do  # type: ignore[method-assign]

if __name__ == "__main__":
    cli.app(["celery-worker", *sys.argv[1:]])
