"""Which coded concepts the sources themselves write into results: those of cards and of sources come on top."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

_ROOT = Path(__file__).parents[2]
#: Functions and records that take value, scheme and meaning, in this order.
_MAKERS = ("Concept", "CodedConcept", "Code", "coded_item")
_PARTS = 3

Term = tuple[str, str, str]
"""Coding scheme designator, code value, code meaning."""


def coded_terms() -> dict[Term, tuple[str, ...]]:
    """Return every concept that is written in the sources of `worker` and `models`, with the modules that use it."""
    found: dict[Term, set[str]] = {}
    for package in ("models", "worker"):
        for file in sorted((_ROOT / package).rglob("*.py")):
            if "testing" not in file.stem:
                for term in _terms(ast.parse(file.read_text(encoding="utf-8"))):
                    found.setdefault(term, set()).add(".".join(file.relative_to(_ROOT).with_suffix("").parts))
    return {term: tuple(sorted(modules)) for term, modules in sorted(found.items())}


def _terms(tree: ast.Module) -> Iterator[Term]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute):
            scheme = node.value
            if isinstance(scheme.value, ast.Name) and scheme.value.id == "codes":
                code = getattr(getattr(codes, scheme.attr), node.attr)
                if isinstance(code, Code):  # else all of a context group, of which the images choose
                    yield str(code.scheme_designator), str(code.value), str(code.meaning)
        elif isinstance(node, ast.Call) and _name_of(node.func) in _MAKERS:
            parts = [*node.args, *(keyword.value for keyword in node.keywords)][:_PARTS]
            texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            if len(texts) == _PARTS:
                value, scheme_designator, meaning = texts
                yield scheme_designator, value, meaning


def _name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
