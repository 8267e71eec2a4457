"""Each package's docstring is a guide to its files, and leaves none out."""

import ast
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


_PACKAGES = sorted(
    file.parent.relative_to(_ROOT).as_posix()
    for name in ("dicom_node", "models", "worker", "ops")
    for file in (_ROOT / name).rglob("__init__.py")
    if "migrations" not in file.parts
)


@pytest.mark.parametrize("package", _PACKAGES)
def test_a_guide_names_every_module(package: str) -> None:
    """By its name as a word: a module that is added, or renamed, needs its place in the reading order."""
    folder = _ROOT / package
    guide = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    words = re.findall(r"\w+", guide)
    names = {file.stem for file in folder.glob("*.py")} - {"__init__"}
    names |= {file.parent.name for file in folder.glob("*/__init__.py")}
    assert names
    assert sorted(names - set(words)) == []
    # A name of several words is nothing but the module's, so that a second place would be a double.
    assert sorted(name for name in names if "_" in name and words.count(name) > 1) == []


_DOCUMENTS = sorted(
    file.relative_to(_ROOT).as_posix() for file in (_ROOT / "README.md", *(_ROOT / "docs").glob("*.md"))
)


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_a_document_names_files_that_are_there(document: str) -> None:
    """By their paths: code that is moved has its new place there too."""
    text = (_ROOT / document).read_text(encoding="utf-8")
    named = re.findall(r"`((?:dicom_node|models|worker|ops|tests|benchmarks)/[\w/]+\.py)`", text)
    assert [name for name in named if not (_ROOT / name).is_file()] == []
