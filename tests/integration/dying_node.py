"""A node that dies by SIGKILL between an instance's rename and anybody's record of it; run as a process of its own.

    python dying_node.py SPOOL INSTANCES {before|after}

It prints its port, keeps INSTANCES - 1 instances, and dies with the next one renamed and told to nobody, before or
after its sender is answered.
"""

import os
import signal
import sys
import threading
from pathlib import Path

from dicom_node.admitting.doorkeeper import Doorkeeper
from dicom_node.processes.listening import listen
from dicom_node.processes.server import Node
from dicom_node.settings import NodeSettings
from dicom_node.spooling.spool import Spool
from dicom_node.study import StoredInstance


class Dying:
    """A reception that dies."""

    def __init__(self, instances: int, when: str) -> None:
        """Take with how many instances it is dead, and whether their sender has its answer by then."""
        # It is asked when an instance begins, and again when it has its name.
        self._asked_until_dead = 2 * instances if when == "before" else -1
        self._told_until_dead = instances

    def accepting(self) -> bool:
        """Take everything, or die."""
        self._asked_until_dead -= 1
        if self._asked_until_dead == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def full_peers(self) -> frozenset[str]:
        """Take it from everybody."""
        return frozenset()

    def instance_stored(self, _instance: StoredInstance, _association: str) -> None:
        """Count down and die."""
        self._told_until_dead -= 1
        if self._told_until_dead == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def association_ended(self, association: str) -> None:
        """Ignore it."""

    def listed(self, study_instance_uid: str, sop_instance_uids: frozenset[str], source: str) -> None:
        """Ignore it."""


if __name__ == "__main__":
    settings = NodeSettings(port=0)
    node = Node(
        settings=settings,
        spool=Spool(Path(sys.argv[1])),
        assembler=Dying(int(sys.argv[2]), sys.argv[3]),
        doorkeeper=Doorkeeper(settings),
    )
    node.start(listen(settings))
    print(node.port, flush=True)  # noqa: T201 - its parent reads it
    threading.Event().wait()
