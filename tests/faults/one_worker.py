"""A worker that works one job of a house (`tests.reading_house`) and waits in the middle of it.

python -m tests.faults.one_worker ROOT NAME LEDGER_URL

ROOT/NAME.reads appears when it asks the network, and it goes on as soon as ROOT/NAME.go is there.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.runtimes.runtime import Infer
from ops import logs
from tests.reading_house import House, LocalHost
from worker.ledger.ledger import Ledger
from worker.settings import WorkerSettings

LEASE_S = 2.0


class WaitingHost(LocalHost):
    """A host that takes its time."""

    def __init__(self, root: Path, name: str) -> None:
        """Take the house and the worker's name."""
        super().__init__(root / "models")
        self._reads, self._go = root / f"{name}.reads", root / f"{name}.go"

    def infer_for(self, model_id: str, model_digest: str) -> Infer:
        """Return the network, which answers when it may."""
        infer = super().infer_for(model_id, model_digest)

        def waiting(*arguments: Any, **named: Any) -> Any:
            self._reads.touch()
            while not self._go.exists():
                time.sleep(0.02)
            return infer(*arguments, **named)

        return waiting


if __name__ == "__main__":
    logs.configure()
    root, name = Path(sys.argv[1]), sys.argv[2]
    ledger = Ledger.open(sys.argv[3])
    pipeline = House(root=root, ledger=ledger, priors=False).pipeline()
    settings = WorkerSettings(lease_s=LEASE_S, max_attempts=3)
    sys.exit(not replace(pipeline, host=WaitingHost(root, name), settings=settings).work_one(["cpu"], name))
