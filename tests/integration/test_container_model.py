"""A model in a real container: a directory of DICOM in, an answer out, and its time is its time."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.errors import RuntimeFailed
from models.findings import Reading
from models.runtimes.runtime import Arrays
from tests.code_models import argv_entry
from tests.containers import Engine
from worker.hosting.reading_series import read_series
from worker.series.series_volume import load_series
from worker.testing import write_mr_series

#: Counts what it was given, by the marker behind the preamble (PS3.10 7.1), and tries to write into it.
COUNT = r"""
#include <dirent.h>
#include <stdio.h>
#include <string.h>
int main(void) {
    DIR *in = opendir("/in");
    int dicom = 0;
    for (struct dirent *entry; in && (entry = readdir(in));) {
        char path[300], head[132] = "";
        snprintf(path, sizeof path, "/in/%s", entry->d_name);
        FILE *file = fopen(path, "rb");
        if (file && fread(head, 1, 132, file) == 132 && !memcmp(head + 128, "DICM", 4)) dicom++;
        if (file) fclose(file);
    }
    if (fopen("/in/mine", "wb")) return 2;
    FILE *out = fopen("/out/findings.json", "w");
    if (!out) return 3;
    fprintf(out, "{\"measurements\": [{\"value\": %d,"
                 "\"name\": {\"value\": \"118565006\", \"scheme\": \"SCT\", \"meaning\": \"Volume\"},"
                 "\"unit\": {\"value\": \"ml\", \"scheme\": \"UCUM\", \"meaning\": \"milliliter\"}}]}", dicom);
    return fclose(out);
}
"""
SLEEP = "#include <unistd.h>\nint main(void) { sleep(120); return 0; }"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """A container engine; without one the tests are skipped."""
    # Not pytest's folder: podman's paths have at most fifty characters.
    with tempfile.TemporaryDirectory(prefix="wetread-") as folder:
        yield Engine(Path(folder))


def read(folder: Path, argv: list[str], **more: float) -> Reading:
    """Return what a containered model says of a series of nine slices."""

    def nobody(_network: str, _inputs: Arrays) -> Arrays:
        raise AssertionError("no network is asked")

    files = write_mr_series(folder / "series", slices=9)
    series = load_series(files, max_voxels=10**7)
    return read_series(argv_entry(folder, argv, **more).card, series.source, files, nobody)


def test_a_container_reads_a_series(engine: Engine, tmp_path: Path) -> None:
    """It gets every image, cannot write among them, and its answer is the reading; its image is named by its digest."""
    argv = engine.argv(engine.image("count", COUNT))
    assert "@sha256:" in argv[-1]
    reading = read(tmp_path, argv)
    assert [(one.name.meaning, one.value) for one in reading.measurements] == [("Volume", 9.0)]
    assert argv[-1].partition("@sha256:")[2][:12] in reading.runtime
    assert engine.containers() == []


def test_a_container_has_its_time(engine: Engine, tmp_path: Path, wait_for: Callable[..., None]) -> None:
    """After which the job goes on without it; the engine ends it, by the limit that the card gives it."""
    argv = engine.argv(engine.image("sleep", SLEEP), "--timeout=14")
    begun = time.monotonic()
    with pytest.raises(RuntimeFailed, match="longer than its 10 s"):
        read(tmp_path, argv, time_limit_s=10.0)
    assert time.monotonic() - begun < 60
    wait_for(lambda: engine.containers() == [], what="no container is left", deadline_s=60)
