"""The ten minutes of docs/writing-a-model.md, as they stand there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom

from tests.optional import need
from worker.testing import write_mr_series

DOCUMENT = Path(__file__).parents[2] / "docs" / "writing-a-model.md"


def blocks(kind: str) -> list[str]:
    """Return the code blocks of the first section that are of a kind."""
    section = DOCUMENT.read_text(encoding="utf-8").split("## In ten minutes")[1].split("\n## ")[0]
    return re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)


def test_the_page_works_as_written(tmp_path: Path) -> None:
    """Each file is written and each command run as the page says; a SEG with a measured structure comes out."""
    need("torch")
    (program,), (card,), (commands,) = blocks("python"), blocks("toml"), blocks("console")
    (tmp_path / "bright.py").write_text(program)
    (tmp_path / "card.toml").write_text(card)
    z, y, x = np.mgrid[-1:1:40j, -1:1:48j, -1:1:44j]
    head = (900 * np.exp(-(((z**2 + y**2 + x**2) / 0.4) ** 2)) + 50).astype(np.uint16)
    write_mr_series(tmp_path / "series", slices=40, rows=48, columns=44, array=head)
    tools = Path(sys.executable).parent
    for line in commands.strip().splitlines():
        tool, *rest = shlex.split(line)
        more = ["--data", str(tmp_path / "data")] if tool == "wetread" else []
        command = [str(tools / tool), *rest, *more]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    seg = pydicom.dcmread(tmp_path / "out" / "seg.dcm")
    assert [segment.SegmentLabel for segment in seg.SegmentSequence] == ["Bright tissue"]
    assert seg.NumberOfFrames > 5
    assert (tmp_path / "out" / "picture.png").stat().st_size > 1000
    assert "Mean" in str(pydicom.dcmread(tmp_path / "out" / "sr.dcm"))
