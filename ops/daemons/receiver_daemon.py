"""One receiving process of `wetread node`: associations, C-STORE, the spool.

It is started by node_daemon, as

    python -m ops.daemons.receiver_daemon LINE NAME=DESCRIPTOR…

where LINE is the Unix socket of its receiver desk, and each NAME ("plain", "tls") a socket that listens already.
"""

import os
import socket
import sys
from pathlib import Path

import structlog

from ops import logs
from ops.daemons.lean import with_few_heaps, without_decoders
from ops.daemons.signals import stop_on_signals

without_decoders()

from dicom_node.processes.receiver_link import ReceiverLink  # noqa: E402  # pydicom looks for decoders when it is imported
from dicom_node.processes.server import Node  # noqa: E402
from dicom_node.spooling.spool import Spool  # noqa: E402

_log = structlog.get_logger()


def main(arguments: list[str]) -> int:
    """Receive until SIGTERM, or until the process that started this one is gone."""
    logs.configure_from_environment()
    with_few_heaps()
    stop = stop_on_signals()
    address, *named = arguments
    sockets = {name: socket.socket(fileno=int(number)) for name, _, number in (part.partition("=") for part in named)}
    try:
        link = ReceiverLink(Path(address), on_gone=stop.set)
    except OSError as error:
        _log.error("receiving process has nobody to tell", cause=str(error), remedy="is `wetread node` stopping?")
        return 1
    begin = link.begin
    spool = Spool(begin.spool, min_free_bytes=begin.settings.min_free_bytes, fsync=begin.settings.fsync)
    node = Node(
        settings=begin.settings,
        spool=spool,
        assembler=link,
        doorkeeper=link,
        commitments=link,
        reports=link,
        witness=link.turned_away,
    )
    node.start(sockets)
    link.serving(os.getpid())
    stop.wait()
    node.stop()
    link.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
