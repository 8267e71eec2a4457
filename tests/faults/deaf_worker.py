"""`wetread celery-worker` whose consumer goes deaf once it is ready, but only in its first life.

It is up, connected and consumes nothing, as Celery #8030, #8990 and #10205 tell of.

python deaf_worker.py MARK --settings FILE
"""

import sys
from pathlib import Path
from typing import Any

from celery.signals import worker_ready

from ops import logs
from ops.daemons import worker_daemon
from ops.settings import load

if __name__ == "__main__":
    _, mark, _, settings = sys.argv

    @worker_ready.connect(weak=False)
    def go_deaf(sender: Any, **_ignored: Any) -> None:
        """Cancel the consumer of every queue."""
        if not Path(mark).exists():
            Path(mark).touch()
            sender.task_consumer.cancel()

    logs.configure()
    worker_daemon.run_celery(load(Path(settings), {}))
