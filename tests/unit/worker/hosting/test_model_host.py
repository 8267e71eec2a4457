"""A real host in a process of its own: it answers, outlives bad company, and its death is told."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from models.catalog import read_entry
from models.errors import ModelError, ModelIncomplete, RuntimeFailed
from models.runtimes.runtime import Arrays
from models.testing import write_threshold_model
from worker.errors import ModelHostLost
from worker.hosting.model_client import ModelClient
from worker.hosting.model_host import DEVICE_LOST_EXIT, _answer_all

_HOST = """
import json, signal, sys, threading
from pathlib import Path
import numpy as np
from models.catalog import Catalog
from models.runtimes.onnx_runtime import OnnxRuntime
from models.testing_runtimes import ConstantRuntime, ScarceRuntime
from worker.hosting.model_host import serve
from worker.hosting.shelf import ShelfSettings

socket, models, gate = map(Path, sys.argv[1:4])
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
golden = {"labels": (np.linspace(0, 1, 16**3, dtype=np.float32) > 0.5).astype(np.uint8).reshape(1, 16, 16, 16)}

class Defective(OnnxRuntime):
    def load(self, file, **options):
        if gate.exists():
            raise ValueError("unforeseen, of Doe^Jane")
        return super().load(file, **options)

runtimes = {
    "constant": lambda: ConstantRuntime(answers=golden, gate=gate),
    "onnx": OnnxRuntime,
    "defective": Defective,
    "scarce": lambda: ScarceRuntime(fits=3, lost=gate, log=gate.with_name("batches")),
}
runtime = runtimes[sys.argv[4]]()
serve(
    socket=socket,
    catalog=lambda: Catalog.scan((models,)),
    runtimes=[runtime],
    settings=ShelfSettings(threads=1, **json.loads(sys.argv[5])),
    stop=stop,
)
"""
_CUBE = np.linspace(0.0, 1.0, 16**3, dtype=np.float32).reshape(1, 1, 16, 16, 16)
_ID = "constant-answer"

WaitFor = Callable[..., None]


class Host:
    """Starts, ends and kills a model host over one folder of models.

    Attributes:
        gate: With the runtime ``constant``, an answer waits while this file is there; with ``scarce`` the device is
            lost; with ``defective`` no model can be loaded, for a reason that nobody foresaw.
    """

    def __init__(self, folder: Path, wait_for: WaitFor) -> None:
        self.models = folder / "models"
        self.socket = folder / "run" / "host.sock"
        self.gate = folder / "gate"
        self.log = folder / "log"
        self._wait_for = wait_for
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self._process is not None
        return self._process.pid

    def start(self, runtime: str = "onnx", *, wait: bool = True, **settings: float) -> None:
        """Start it and wait until it serves all its models."""
        arguments = [str(self.socket), str(self.models), str(self.gate), runtime, json.dumps(settings)]
        served = self._serving()
        with self.log.open("ab") as log:
            command = [sys.executable, "-c", _HOST, *arguments]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        if wait:
            self._wait_for(lambda: self._serving() > served, what=f"the host serves; {self.log.read_text()}")

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        os.kill(self.pid, signal.SIGTERM)

    def exit_code(self) -> int:
        """Wait for its end."""
        assert self._process is not None
        code = self._process.wait(timeout=30)
        self._process = None
        return code

    def rss_bytes(self) -> int:
        """Return its resident memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    def shared_memory(self) -> int:
        """Return how many shared files it has open or mapped."""
        try:
            opened = [str(link.readlink()) for link in Path(f"/proc/{self.pid}/fd").iterdir()]
        except FileNotFoundError:
            return 1  # one of them is being closed right now
        mapped = Path(f"/proc/{self.pid}/maps").read_text().splitlines()
        return sum("memfd:wetread" in each for each in (*opened, *mapped))

    def _serving(self) -> int:
        return self.log.read_text().count("model host serves") if self.log.exists() else 0


@pytest.fixture
def host(tmp_path: Path, wait_for: WaitFor) -> Iterator[Host]:
    """A host that is not started yet, with one model."""
    made = Host(tmp_path, wait_for)
    write_threshold_model(made.models)
    yield made
    made.kill()


@pytest.fixture
def client(host: Host) -> Iterator[ModelClient]:
    """Asks that host."""
    made = ModelClient(host.socket, wait_s=10.0)
    yield made
    made.close()


def _digest(host: Host, model_id: str = _ID) -> str:
    return read_entry(host.models / model_id).digest


def _ask(host: Host, client: ModelClient) -> Arrays:
    return client.infer_for(_ID, _digest(host))("main", {"input": _CUBE})


class Asking(threading.Thread):
    """A question that runs beside the test.

    Attributes:
        answer: What came back, or None.
        error: What was raised, or None.
    """

    def __init__(self, host: Host, client: ModelClient) -> None:
        super().__init__(daemon=True)
        self.answer: Arrays | None = None
        self.error: Exception | None = None
        self._infer = client.infer_for(_ID, _digest(host))
        self.start()

    def run(self) -> None:
        """Ask."""
        try:
            self.answer = self._infer("main", {"input": _CUBE})
        except (ModelHostLost, ModelError) as error:
            self.error = error


def _hold_in_inference(host: Host, client: ModelClient, wait_for: WaitFor) -> Asking:
    """Start a host whose answer waits, and a question that has reached it."""
    host.start("constant")
    host.gate.touch()
    asking = Asking(host, client)
    wait_for(host.shared_memory, what="the request is in the host")
    return asking


def test_a_host_that_still_loads_its_models_can_be_asked(host: Host, client: ModelClient, wait_for: WaitFor) -> None:
    """Whoever starts the worker need not wait until all have proven themselves; who asks waits for the model."""
    host.gate.touch()
    host.start("constant", wait=False)
    wait_for(host.socket.exists, what="the host's socket")
    asking = Asking(host, client)
    wait_for(host.shared_memory, what="the request is in the host")
    assert asking.is_alive()
    host.gate.unlink()
    asking.join(30)
    assert asking.answer is not None, asking.error
    assert asking.answer["labels"].any()


def test_the_host_answers_as_the_network_does(host: Host, client: ModelClient) -> None:
    """Arrays go to the network and come back, with the name of what ran it."""
    host.start()
    answer = _ask(host, client)
    np.testing.assert_array_equal(answer["labels"], _CUBE[0] > 0.5)
    assert client.runtime.startswith("onnxruntime ")


def test_only_its_user_reaches_the_socket(host: Host) -> None:
    """The socket's directory is private, even if it was there before with other permissions."""
    host.socket.parent.mkdir(mode=0o755)
    host.start()
    assert stat.S_IMODE(host.socket.parent.stat().st_mode) == 0o700


def test_a_killed_host_is_told_in_the_middle_of_a_request(host: Host, client: ModelClient, wait_for: WaitFor) -> None:
    """SIGKILL while it infers: the child gets ModelHostLost, and a host that comes back answers the same client."""
    asking = _hold_in_inference(host, client, wait_for)
    host.kill()
    asking.join(timeout=10)
    assert isinstance(asking.error, ModelHostLost)
    host.gate.unlink()
    host.start()
    np.testing.assert_array_equal(_ask(host, client)["labels"], _CUBE[0] > 0.5)


def test_a_host_that_was_replaced_between_requests_is_not_noticed(host: Host, client: ModelClient) -> None:
    """The client connects again by itself at the start of a request."""
    host.start()
    _ask(host, client)
    host.kill()
    host.start()
    assert _ask(host, client)["labels"].any()


def test_a_host_that_stays_away_is_told(host: Host) -> None:
    """The client waits for as long as it was told to, and says what to look at."""
    client = ModelClient(host.socket, wait_s=0.1)
    with pytest.raises(ModelHostLost, match="wetread worker"):
        _ask(host, client)


def test_sigterm_lets_the_running_request_finish(host: Host, client: ModelClient, wait_for: WaitFor) -> None:
    """The answer still goes out; then the socket is gone and the exit code is 0."""
    asking = _hold_in_inference(host, client, wait_for)
    host.ask_to_stop()
    host.gate.unlink()
    asking.join(timeout=10)
    assert asking.answer is not None
    assert host.exit_code() == 0
    assert not host.socket.exists()


def test_sigterm_does_not_wait_for_idle_children(host: Host, client: ModelClient) -> None:
    """A connection on which nobody asks does not keep the host."""
    host.start()
    _ask(host, client)
    host.ask_to_stop()
    assert host.exit_code() == 0


def test_an_unknown_version_is_refused_by_name(host: Host, client: ModelClient) -> None:
    """A digest that the catalog has not, or a model, is ModelIncomplete; the connection goes on."""
    host.start()
    with pytest.raises(ModelIncomplete, match="no longer here"):
        client.infer_for(_ID, "0" * 64)("main", {"input": _CUBE})
    with pytest.raises(ModelIncomplete, match="no longer here"):
        client.infer_for("no-such-model", "0" * 64)("main", {"input": _CUBE})
    assert _ask(host, client)["labels"].any()


def test_what_the_network_refuses_is_told_in_its_words(host: Host, client: ModelClient) -> None:
    """A wrong input, and a network that the card has not, are RuntimeFailed on the child's side too."""
    host.start()
    infer = client.infer_for(_ID, _digest(host))
    with pytest.raises(RuntimeFailed, match="input"):
        infer("main", {"other": _CUBE})
    with pytest.raises(RuntimeFailed, match="has no network"):
        infer("locator", {"input": _CUBE})
    assert _ask(host, client)["labels"].any()


def test_models_come_and_go_while_the_host_runs(host: Host, client: ModelClient) -> None:
    """One that came later is loaded when asked for; one that is gone then leaves memory."""
    host.start()
    old = _digest(host)
    shutil.rmtree(host.models / _ID)
    write_threshold_model(host.models, threshold=0.25)
    np.testing.assert_array_equal(_ask(host, client)["labels"], _CUBE[0] > 0.25)
    with pytest.raises(ModelIncomplete):
        client.infer_for(_ID, old)("main", {"input": _CUBE})


def test_a_model_without_its_golden_answer_is_not_used(host: Host, client: ModelClient) -> None:
    """A model that does not prove itself on this machine is refused; the others serve."""
    wrong = write_threshold_model(host.models, id="wrong", threshold=0.9)
    shutil.copyfile(host.models / _ID / "golden.npz", wrong / "golden.npz")
    host.start()
    with pytest.raises(RuntimeFailed, match="golden"):
        client.infer_for("wrong", _digest(host, "wrong"))("main", {"input": _CUBE})
    assert _ask(host, client)["labels"].any()


def test_an_unforeseen_error_while_a_model_is_fetched_costs_that_request_alone(host: Host, client: ModelClient) -> None:
    """The child is told the error's kind, others are answered meanwhile, and the model is fetched when asked again."""
    host.start("defective")
    write_threshold_model(host.models, id="another", threshold=0.25)
    pid, infer = host.pid, client.infer_for("another", _digest(host, "another"))
    host.gate.touch()
    with pytest.raises(RuntimeFailed, match="ValueError in the model host; see its log") as told:
        infer("main", {"input": _CUBE})
    assert "Doe" not in str(told.value)
    assert _ask(host, client)["labels"].any()
    host.gate.unlink()
    assert infer("main", {"input": _CUBE})["labels"].mean() == pytest.approx(0.75, abs=0.01)
    assert host.pid == pid


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b"\x00\x00\x00\x02[]"])
def test_garbage_costs_its_own_connection_only(host: Host, client: ModelClient, garbage: bytes) -> None:
    """Whatever comes over the socket, the next child is answered."""
    host.start()
    with socket.socket(socket.AF_UNIX) as bad:
        bad.connect(str(host.socket))
        bad.sendall(garbage)
        bad.shutdown(socket.SHUT_WR)
        bad.settimeout(10)
        assert bad.recv(1) == b""
    assert _ask(host, client)["labels"].any()


def test_memory_comes_back_after_use(host: Host, client: ModelClient, wait_for: WaitFor) -> None:
    """Forty requests of 32 MiB leave no shared memory and no descriptors, and the later ones no growth of that size."""
    host.start()
    infer = client.infer_for(_ID, _digest(host))
    large = np.zeros((1, 1, 128, 256, 256), np.float32)

    def ask_and_settle() -> int:
        for _ in range(20):
            infer("main", {"input": large})
        # The answer is here a moment before the host lets its own side of it go.
        wait_for(lambda: host.shared_memory() == 0, what="shared memory is let go")
        return host.rss_bytes()

    before = ask_and_settle()  # the allocator keeps some of what was freed
    assert ask_and_settle() < before + large.nbytes


def _ask_together(host: Host, cubes: list[Arrays], digest: str) -> list[Arrays]:
    """Ask from as many children at once; return the answers in order."""
    answers: dict[int, Arrays] = {}
    clients = [ModelClient(host.socket) for _ in cubes]

    def ask(place: int) -> None:
        answers[place] = clients[place].infer_for(_ID, digest)("main", cubes[place])

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(cubes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for client in clients:
        client.close()
    return [answers[place] for place in range(len(cubes))]


def test_several_jobs_share_a_batch(host: Host) -> None:
    """Inputs of several children go through the network together, each gets its own answer, and the host counts."""
    write_threshold_model(host.models, max_batch=4)
    digest = read_entry(host.models / _ID).digest
    host.start("onnx", patience_s=0.5)
    cubes = [{"input": np.roll(_CUBE, 100 * shift)} for shift in range(4)]
    for cube, answer in zip(cubes, _ask_together(host, cubes, digest), strict=True):
        np.testing.assert_array_equal(answer["labels"], cube["input"][0] > 0.5)
    client = ModelClient(host.socket)
    (status,) = client.status()
    assert (status["model"], status["requests"], status["inputs"], status["batches"]) == (_ID, 4, 4, 1)
    assert status["mib"] > 0
    client.close()


def test_a_bad_input_fails_alone(host: Host) -> None:
    """An input that the network refuses costs its own request; the others of its batch are answered."""
    write_threshold_model(host.models, max_batch=4)
    digest = read_entry(host.models / _ID).digest
    host.start("onnx", patience_s=0.3)
    client = ModelClient(host.socket)
    good = threading.Thread(target=lambda: _ask_together(host, [{"input": _CUBE}], digest))
    good.start()
    with pytest.raises(RuntimeFailed):
        client.infer_for(_ID, digest)("main", {"nothing": _CUBE})
    good.join(30)
    assert not good.is_alive()
    client.close()


def test_too_little_memory_makes_batches_smaller(host: Host) -> None:
    """A device on which three inputs fit answers eight, in halves; the next time it is not asked for too many."""
    write_threshold_model(host.models, max_batch=8)
    digest = read_entry(host.models / _ID).digest
    host.start("scarce")
    client, batches = ModelClient(host.socket), host.gate.with_name("batches")
    eight = np.concatenate([np.roll(_CUBE, 50 * shift) for shift in range(8)])
    for _ in range(2):
        answer = client.infer_for(_ID, digest)("main", {"input": eight})
        np.testing.assert_array_equal(answer["labels"], eight[:, 0] > 0.5)
    asked = [int(line) for line in batches.read_text().split()]
    assert asked[-2:] == [2, 2]
    assert max(asked) == 8
    client.close()


def test_a_lost_device_ends_the_process(host: Host) -> None:
    """A host whose device is lost exits with a status of its own; the child is told, and the next host answers."""
    host.start("scarce")
    digest = read_entry(host.models / _ID).digest
    client = ModelClient(host.socket)
    host.gate.touch()
    with pytest.raises(ModelHostLost):
        client.infer_for(_ID, digest)("main", {"input": _CUBE})
    assert host.exit_code() == DEVICE_LOST_EXIT
    host.gate.unlink()
    host.start("scarce")
    assert client.infer_for(_ID, digest)("main", {"input": _CUBE})["labels"].any()
    client.close()


def test_the_least_recently_used_model_makes_room(host: Host) -> None:
    """Under a budget for one, a second model replaces the first, which comes back when it is asked for."""
    write_threshold_model(host.models, id="another", threshold=0.25)
    digests = {name: read_entry(host.models / name).digest for name in (_ID, "another")}
    host.start("onnx", budget_bytes=1)
    client = ModelClient(host.socket)
    for name, share in ((_ID, 0.5), ("another", 0.75), (_ID, 0.5)):
        labels = client.infer_for(name, digests[name])("main", {"input": _CUBE})["labels"]
        assert labels.mean() == pytest.approx(share, abs=0.01)
        assert [status["model"] for status in client.status()] == [name]
    client.close()


@pytest.mark.parametrize("answer", [np.array(["text"], object), np.zeros(2, np.complex64)], ids=["text", "complex"])
def test_an_answer_that_cannot_be_sent_is_told_and_ends_nothing(answer: Any) -> None:
    """The host lives, so nobody is told that it ended; the next question is answered."""
    ours, theirs = socket.socketpair()
    shelf = Mock(infer=Mock(side_effect=[("onnx", {"answer": answer}), ("onnx", {"answer": np.ones(3)})]))
    answering = threading.Thread(target=_answer_all, args=(theirs, shelf, threading.Event()), daemon=True)
    answering.start()
    client = ModelClient(Path("nowhere"))
    client._connection = ours
    ask = client.infer_for(_ID, "digest")
    with pytest.raises(RuntimeFailed, match="cannot be sent to who asked"):
        ask("main", {"input": _CUBE})
    assert ask("main", {"input": _CUBE})["answer"].all()
    client.close()
    answering.join(10)
    theirs.close()
