"""Studies an hour on a GPU: decode, prepare, infer, interpret, SEG and SR of a real head."""

import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_record import Record
from models.catalog import read_entry
from models.errors import ModelError
from models.importing.brainchop import import_brainchop
from models.loaded import LoadedModel
from models.proving.runtime_choice import runtime_named
from models.reading import read
from worker import results
from worker.case.case import Case
from worker.provenance import Provenance
from worker.series.series_volume import load_series


def study(record: Record) -> None:
    """Count studies an hour with brain-structures on a real head: decode, prepare, infer, interpret, SEG and SR."""
    data = os.environ.get("WETREAD_GPU_DATA")
    if data is None:
        record.say("study", skipped="WETREAD_GPU_DATA names no folder with t1-head and brainchop-models")
        return
    files = sorted(Path(data).rglob("t1-head/**/*.dcm"))
    folder = next(Path(data).rglob("model18cls"))
    with tempfile.TemporaryDirectory() as models:
        entry = read_entry(import_brainchop(folder, Path(models)))
        for name in ("tensorrt-rtx", "tensorrt", "onnxruntime"):
            try:
                model = LoadedModel.load(entry, runtime_named(name), os.cpu_count() or 1)  # type: ignore[arg-type]
            except ModelError as error:
                record.say("study", way=name, runs=False, cause=str(error)[:400])
                continue
            times = []
            for _ in range(3 if record.gpu else 1):
                moments = [time.perf_counter()]
                series = load_series(files, max_voxels=10**9)
                moments.append(time.perf_counter())
                reading = read(entry.card, series.source, model.infer)
                moments.append(time.perf_counter())
                results.build(_case(entry, series, reading, model.runtime), {"SEG", "SR"})
                moments.append(time.perf_counter())
                times.append(np.diff(moments))
            decode_s, read_s, encode_s = (float(value) for value in np.median(times, axis=0))
            record.say(
                "study",
                way=model.runtime,
                decode_s=decode_s,
                prepare_infer_interpret_s=read_s,
                seg_and_sr_s=encode_s,
                per_hour=3600 / (decode_s + read_s + encode_s),
                volumes_ml={one.label.name: round(one.measurements[0].value, 1) for one in reading.structures},
            )
            model.close()


def _case(entry: Any, series: Any, reading: Any, runtime: str) -> Any:

    provenance = Provenance(
        card=entry.card,
        model_digest=entry.digest,
        inputs_digest=series.inputs_digest,
        recipe_digest="0" * 64,
        read_at=datetime.now(UTC),
        runtime=runtime,
    )
    return Case.of(series, reading, provenance)
