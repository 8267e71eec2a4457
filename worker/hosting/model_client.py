"""Asks the model host; what a child of the worker infers with."""

import socket as sockets
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models import errors as model_errors
from models.errors import ModelError, RuntimeFailed
from models.runtimes.runtime import Arrays, Infer
from worker.errors import ModelHostLost
from worker.hosting.array_transport import Header, TransportError, receive, send

#: What the host may answer with; anything else it says becomes RuntimeFailed.
_ERRORS = {
    kind.__name__: kind
    for kind in vars(model_errors).values()
    if isinstance(kind, type) and issubclass(kind, ModelError)
}


class ModelClient:
    """A connection to the model host, made when first needed and again after the host was replaced."""

    def __init__(self, socket: Path, *, wait_s: float = 60.0) -> None:
        """Take the host's socket and how long a host that is starting is waited for."""
        self._socket = socket
        self._wait_s = wait_s
        self._connection: sockets.socket | None = None
        self._runtime = ""

    @property
    def runtime(self) -> str:
        """What ran the last network that was asked."""
        return self._runtime

    def infer_for(self, model_id: str, model_digest: str) -> Infer:
        """Return the function that asks this very model's networks.

        It raises ModelHostLost when the host ends meanwhile, and what the host's model raised.
        """

        def infer(network: str, inputs: Arrays) -> Arrays:
            return self._ask({"model": model_id, "digest": model_digest, "network": network}, inputs)

        return infer

    def status(self) -> list[dict[str, Any]]:
        """Return what `worker.hosting.shelf.Shelf.status` says of each resident model. Raises ModelHostLost."""
        models: list[dict[str, Any]] = self._exchange({"ask": "status", "model": "its status"}, {})[0]["models"]
        return models

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, question: dict[str, str], inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        header, outputs = self._exchange(question, inputs)
        if "error" in header:
            raise _ERRORS.get(header["error"], RuntimeFailed)(header["message"])
        self._runtime = header["runtime"]
        return outputs

    def _exchange(self, question: dict[str, str], inputs: Arrays) -> tuple[Header, dict[str, NDArray[np.generic]]]:
        connection = self._connected()
        try:
            send(connection, question, inputs)
            return receive(connection)
        except (OSError, EOFError, TransportError) as error:
            self.close()
            raise ModelHostLost(
                f"the model host ended while it ran {question['model']} ({type(error).__name__}): it is replaced and "
                "the job is tried again"
            ) from error
        except BaseException:
            # A stop signal in the middle of an exchange: the next question must not get this one's answer.
            self.close()
            raise

    def _connected(self) -> sockets.socket:
        if self._connection is not None and _is_alive(self._connection):
            return self._connection
        self.close()
        deadline = time.monotonic() + self._wait_s
        while True:
            connection = sockets.socket(sockets.AF_UNIX)
            try:
                connection.connect(str(self._socket))
            except OSError as error:
                connection.close()
                if time.monotonic() > deadline:
                    raise ModelHostLost(
                        f"no model host answers within {self._wait_s:g} s; does `wetread worker` run?"
                    ) from error
                time.sleep(0.1)
            else:
                self._connection = connection
                return connection


def _is_alive(connection: sockets.socket) -> bool:
    """Say whether the other side is still there; it never speaks unasked, so anything to read is its end."""
    try:
        connection.recv(1, sockets.MSG_PEEK | sockets.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
