"""Real weights on real studies through real peers: DCMTK sends, Orthanc routes, and holds what came back."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import platformdirs
import pydicom
import pytest

from models.catalog import BUILT_IN, read_entry
from models.importing.brainchop import import_brainchop
from models.importing.weights import fetch
from ops.commands.known_false_alarms import real_problems
from ops.demonstration.demo_inputs import ecg_file
from tests.dcmtk import dcmtk
from tests.orthanc_server import OrthancServer
from tests.stack import Stack
from worker.jobs.admin_rows import JobRow

pytestmark = pytest.mark.weights

#: ml on t1-head, by SNOMED CT code (cortex, white matter, hippocampus, thalamus), computed with torch from the weights.
STRUCTURES_ML = {"40146001": 606.0, "68523003": 580.0, "5366008": 8.4, "42695009": 18.6}
INTRACRANIAL_ML = 1814


def fetched(model: str, stack: Stack) -> None:
    """Complete a model by reference, keeping it in the user's cache for the next run."""
    card_folder = BUILT_IN / model
    cache = Path(platformdirs.user_cache_dir("wetread-tests")) / "models"
    complete = fetch(card_folder, read_entry(card_folder).card, cache, None, print)
    stack.models.mkdir(parents=True, exist_ok=True)
    (stack.models / complete.name).symlink_to(complete)


def job_of(stack: Stack, model: str) -> JobRow:
    """Return the one job of a model that runs."""
    (job,) = [job for job in stack.jobs() if job.model_id == model and job.state.value != "skipped"]
    return job


def read_back(orthanc: OrthancServer, job: JobRow, tmp_path: Path) -> dict[str, Any]:
    """Return the job's objects as the archive has them, by kind."""
    found = {}
    by_uid = {item.sop_instance_uid: item.kind for item in job.deliveries}
    for name in orthanc.rest("/instances"):
        tags = orthanc.rest(f"/instances/{name}/simplified-tags")
        kind = by_uid.get(tags["SOPInstanceUID"])
        if kind is not None:
            file = tmp_path / f"{job.model_id}-{kind}.dcm"
            file.write_bytes(orthanc.rest(f"/instances/{name}/file"))
            found[kind] = pydicom.dcmread(file)
    return found


def numbers(report: Any) -> dict[tuple[str, str], float]:
    """Return (finding's code, measurement) to value for every NUM item of a report; the images' own are none."""
    found: dict[tuple[str, str], float] = {}

    def walk(item: Any, finding: str) -> None:
        for child in item.get("ContentSequence") or []:
            name = child.ConceptNameCodeSequence[0].CodeMeaning if "ConceptNameCodeSequence" in child else ""
            if child.ValueType == "CODE" and name == "Finding":
                finding = child.ConceptCodeSequence[0].CodeValue
            if child.ValueType == "NUM" and child.RelationshipType != "HAS ACQ CONTEXT":
                found[finding, name] = float(child.MeasuredValueSequence[0].NumericValue)
            walk(child, finding)

    walk(report, "")
    return found


def no_errors(tool: str, *arguments: str) -> None:
    """Hold that a validator of dicom3tools prints no Error line."""
    told = subprocess.run([tool, *arguments], check=False, capture_output=True, text=True)
    assert [line for line in real_problems(tool, told.stdout + told.stderr) if line.startswith("Error")] == []


def test_a_head_and_an_ecg_through_everything(
    stack: Stack, orthanc: OrthancServer, shared_data: Path, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    """384 slices and an ECG: 17 segments, volumes and intervals within range, in the archive that routed them."""
    import_brainchop(shared_data / "brainchop-models" / "model18cls", stack.models)
    fetched("brain_extraction", stack)
    fetched("ecg_rhythm", stack)
    stack.start()
    wait_for(stack.listening, what="the node listens", deadline_s=60)
    head = sorted((shared_data / "t1-head").glob("*.dcm"))
    port = str(orthanc.dicom_port)
    subprocess.run(
        [dcmtk("dcmsend"), "-aec", "ORTHANC", "127.0.0.1", port, *map(str, head)], check=True, capture_output=True
    )
    orthanc.route_to("WETREAD", stack.port)
    orthanc.take([ecg_file()])
    stack.send([ecg_file()])
    models = ("brain-structures", "brain-extraction", "ecg-rhythm")
    wait_for(
        lambda: sum(job.delivered for job in stack.jobs()) == len(models),
        what="all three models have read and delivered",
        deadline_s=800,
    )
    objects = {model: read_back(orthanc, job_of(stack, model), tmp_path) for model in models}

    structures = objects["brain-structures"]
    assert len(structures["SEG"].SegmentSequence) == 17
    volumes = numbers(structures["SR"])
    for code, expected_ml in STRUCTURES_ML.items():
        assert volumes[code, "Volume"] == pytest.approx(expected_ml, rel=0.05)

    assert len(objects["brain-extraction"]["SEG"].SegmentSequence) == 1
    (volume,) = numbers(objects["brain-extraction"]["SR"]).values()
    assert volume == pytest.approx(INTRACRANIAL_ML, rel=0.03)

    intervals = {name: value for (_, name), value in numbers(objects["ecg-rhythm"]["ECG-SR"]).items()}
    assert intervals["RR interval per lead"] == pytest.approx(982, rel=0.01)
    assert set(objects["ecg-rhythm"]) == {"ECG-SR", "TEXT-SR", "SC"}

    for file in tmp_path.glob("*-*.dcm"):
        no_errors("dciodvfy", str(file))
