"""`wetread node` whose disk takes its time: a sync of an instance takes as many seconds as the first argument says.

python slow_node.py SECONDS --settings FILE
"""

import sys
import time
from pathlib import Path

from dicom_node.disk import Part
from ops import logs, node_daemon
from ops.settings import load

if __name__ == "__main__":
    _, seconds, _, settings = sys.argv
    synced = Part.sync

    def slowly(part: Part) -> None:
        """Wait, then do it."""
        time.sleep(float(seconds))
        synced(part)

    Part.sync = slowly  # type: ignore[method-assign]
    logs.configure()
    node_daemon.run(load(Path(settings), {}))
