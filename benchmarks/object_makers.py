"""Who makes the objects of the benchmark, each alone in a process of its own.

    python -m benchmarks.object_makers MAKER LABELS FOLDER OUT

Prints the seconds that it took and the peak memory in MiB; what the object is made of is loaded before, and counts as
memory only.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from benchmarks import plain_highdicom
from benchmarks.object_inputs import case_of
from benchmarks.record import peak_gib
from worker.case.case import Case
from worker.object_kinds import Kind
from worker.objects.labelmap import build_labelmap
from worker.objects.object_encoding import encoded
from worker.objects.report import build_report
from worker.objects.rt_structure_set import build_rt_structure_set
from worker.objects.segmentation import build_segmentation
from worker.pictures.summary_image import build_summary_image

_DCMQI = Path(sys.executable).parent / "itkimage2segimage"
_MIB_A_GIB = 1024

#: Prepares, untimed, and returns what is timed.
_Maker = Callable[[Case, Path], Callable[[], object]]


def _ours(kind: Kind, build: Callable[[Case], Dataset | None]) -> _Maker:
    def prepare(case: Case, out: Path) -> Callable[[], object]:
        def make() -> None:
            made = build(case)
            if made is None:
                raise ValueError(f"the findings of the benchmark give no {kind}")
            out.write_bytes(encoded(made, kind).data)

        return make

    return prepare


def _plain(kind: str, transfer_syntax_uid: str) -> _Maker:
    def prepare(case: Case, out: Path) -> Callable[[], object]:
        return lambda: plain_highdicom.segmentation(case, kind, transfer_syntax_uid).save_as(out)

    return prepare


def _our_report(case: Case, out: Path) -> Callable[[], object]:
    seg = build_segmentation(case)
    return lambda: out.write_bytes(encoded(build_report(case, seg), "SR").data)


def _plain_report(case: Case, out: Path) -> Callable[[], object]:
    seg = build_segmentation(case)
    return lambda: plain_highdicom.report(case, seg).save_as(out)


MAKERS: Mapping[str, _Maker] = {
    "SEG": _ours("SEG", build_segmentation),
    "SEG by highdicom": _plain("BINARY", ExplicitVRLittleEndian),
    "LABELMAP": _ours("LABELMAP", build_labelmap),
    "LABELMAP by highdicom": _plain("LABELMAP", RLELossless),
    "SC": _ours("SC", build_summary_image),
    "RTSTRUCT": _ours("RTSTRUCT", build_rt_structure_set),
    "SR": _our_report,
    "SR by highdicom": _plain_report,
}
#: It reads files; loading them is part of its time.
DCMQI: Mapping[str, str] = {"SEG by dcmqi": "binary", "LABELMAP by dcmqi": "labelmap"}


def main() -> None:
    """Make one object and print what it cost."""
    maker, labels, folder, out = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    if maker in DCMQI:
        seconds = _timed(lambda: _run_dcmqi(DCMQI[maker], labels, folder, out))
        peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    else:
        seconds = _timed(MAKERS[maker](case_of(folder, labels), out))
        peak_mib = peak_gib(os.getpid()) * _MIB_A_GIB
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_mib": peak_mib}))


def _timed(make: Callable[[], object]) -> float:
    started = time.perf_counter()
    make()
    return time.perf_counter() - started


def _run_dcmqi(kind: str, labels: int, folder: Path, out: Path) -> None:
    subprocess.run(
        [
            _DCMQI, "--inputDICOMDirectory", folder / "series", "--inputImageList", folder / f"labels-{labels}.nrrd",
            "--inputMetadata", folder / f"meta-{labels}.json", "--outputDICOM", out, "--segmentationType", kind,
            "--skip", "1",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
