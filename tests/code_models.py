"""Models that come as code, made in a test: a package with an entry point, and programs."""

import hashlib
import json
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.catalog import CatalogEntry, read_entry

_HEAD = """
schema = 1
id = "{id}"
name = "Outside"
version = "1"
manufacturer = "Tests"
licence = "Apache-2.0"
intended_use = "Tests of models that come as code. Never for patients."
[regulatory]
status = "research"
[patient]
missing_age = "allow"
[selection]
modality = ["MR"]
[preparation]
kind = "none"
{answers}
[inference]
"""
_LABELS = """[interpretation]
kind = "labels"
[[labels]]
number = 1
name = "Bright"
concept = { value = "85756007", scheme = "SCT", meaning = "Tissue" }
category = { value = "85756007", scheme = "SCT", meaning = "Tissue" }
colour_rgb = [230, 60, 60]
"""
#: Of a card whose model answers an age and an ejection fraction.
NUMBERS = """[interpretation]
kind = "numbers"
[[interpretation.numbers]]
name = { value = "397669002", scheme = "SCT", meaning = "Age" }
unit = { value = "a", scheme = "UCUM", meaning = "year" }
plausible = { min = 0, max = 120 }
[[interpretation.numbers]]
name = { value = "10230-1", scheme = "LN", meaning = "Left Ventricular Ejection Fraction" }
unit = { value = "%", scheme = "UCUM", meaning = "Percent" }
plausible = { min = 5, max = 90 }
"""


def install(site: Path, body: str, *, version: str = "1.2.3") -> None:
    """Install a package with the entry point `bright` into a folder of packages, as pip would."""
    site.mkdir(parents=True, exist_ok=True)
    (site / "outside_model.py").write_text("import os, time\nimport numpy as np\n\ndef read(source):\n" + body)
    info = site / f"outside_model-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: outside-model\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[wetread.models]\nbright = outside_model:read\n")


def interpreter(folder: Path, site: Path) -> Path:
    """Write an interpreter of another environment: ours with one more folder of packages."""
    file = folder / "python"
    file.write_text(f'#!/bin/sh\nPYTHONPATH={site} exec {sys.executable} "$@"\n')
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return file


def code_entry(folder: Path, body: str, answers: str = _LABELS, **more: Any) -> CatalogEntry:
    """Return a model whose entry point has this body, in an environment of its own."""
    install(folder / "site", body)
    values = {"version": "1.2.3", "memory_gib": 2.0, "time_limit_s": 20.0} | more
    lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
    python = interpreter(folder, folder / "site")
    inference = f'strategy = "entry-point"\nname = "bright"\npython = "{python}"\n' + "\n".join(lines) + "\n"
    return _entry(folder, "code-model", inference, answers)


def command_entry(folder: Path, program: str, answers: str = _LABELS, **more: Any) -> CatalogEntry:
    """Return a model whose command is this Python program, which finds its directories in `given` and `out`."""
    file = folder / "program"
    begin = (
        f"#!{sys.executable}\nimport os, sys, time\nfrom pathlib import Path\ngiven, out = map(Path, sys.argv[1:3])\n"
    )
    file.write_text(begin + program)
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    lines = [f"{key} = {_toml(value)}" for key, value in ({"time_limit_s": 30.0, "sha256": digest} | more).items()]
    argv = f'["{file}", "{{input}}", "{{output}}"]'
    inference = f'strategy = "command"\nargv = {argv}\n' + "\n".join(lines) + "\n"
    return _entry(folder, "command-model", inference, answers)


def argv_entry(folder: Path, argv: Sequence[str], **more: Any) -> CatalogEntry:
    """Return a model whose command is this."""
    lines = [f"{key} = {_toml(value)}" for key, value in ({"time_limit_s": 60.0} | more).items()]
    return _entry(
        folder, "command-model", f'strategy = "command"\nargv = {json.dumps(list(argv))}\n' + "\n".join(lines) + "\n"
    )


def bright(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Return what both models label."""
    return np.asarray(array > array.mean())


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _entry(folder: Path, model_id: str, inference: str, answers: str = _LABELS) -> CatalogEntry:
    target = folder / "models" / model_id
    target.mkdir(parents=True)
    (target / "model.toml").write_text(_HEAD.format(id=model_id, answers=answers) + inference)
    return read_entry(target)
