"""`wetread node` whose disk takes its time: a sync of an instance takes as many seconds as the first argument says.

python slow_node.py SECONDS --settings FILE
"""

import sys
from pathlib import Path

from ops import logs
from ops.daemons import node_daemon
from ops.settings import load

if __name__ == "__main__":
    _, seconds, _, settings = sys.argv
    node_daemon.RECEIVER = ("-m", "tests.faults.slow_receiver", seconds)
    logs.configure()
    node_daemon.run(load(Path(settings), {}))
