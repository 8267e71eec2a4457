"""A receiving process whose disk takes its time; started by slow_node."""

import sys
import time

from dicom_node.spooling.disk import Part
from ops.daemons import receiver_daemon

if __name__ == "__main__":
    _, seconds, *arguments = sys.argv
    synced = Part.sync

    def slowly(part: Part) -> None:
        """Wait, then do it."""
        time.sleep(float(seconds))
        synced(part)

    Part.sync = slowly  # type: ignore[method-assign]
    sys.exit(receiver_daemon.main(arguments))
