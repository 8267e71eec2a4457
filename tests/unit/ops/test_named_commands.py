"""A remedy that names a command names one that there is, with options that it has."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ops import cli

ROOT = Path(__file__).parents[3]
_IN_BACKTICKS = re.compile(r"`wetread ([^`]+)`")
_BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_TYPED = re.compile(r"^(?:\$ )?wetread (.+)$", re.MULTILINE)


def complaint_about(words: list[str]) -> str:
    """Return what is wrong with the words behind `wetread`; empty where the command line takes them."""
    command: Any = get_command(cli.app)
    rest = iter(words)
    placed = 0
    for word in rest:
        inner = getattr(command, "commands", {})
        if word.startswith("-"):
            name, _, value = word.partition("=")
            option = next((each for each in command.params if name in (*each.opts, *each.secondary_opts)), None)
            if option is None:
                return f"{command.name} has no option {name}"
            if not option.is_flag and not value:
                next(rest, None)
        elif inner:
            if word not in inner:
                return f"{command.name} has no command {word}"
            command = inner[word]
        else:
            placed += 1
    taken = [each.nargs for each in getattr(command, "params", []) if each.param_type_name == "argument"]
    return f"{command.name} takes {len(taken)} arguments" if -1 not in taken and placed > len(taken) else ""


class _Strings(ast.NodeVisitor):
    """Collects a module's strings, with a word in place of what is filled in."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def visit_Constant(self, node: ast.Constant) -> None:
        """Take a plain string."""
        if isinstance(node.value, str):
            self.found.append(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Take a formatted one as a whole."""
        self.found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values))


def _named_in_code() -> Iterator[tuple[str, str]]:
    for package in ("dicom_node", "models", "ops", "worker"):
        for file in sorted((ROOT / package).rglob("*.py")):
            strings = _Strings()
            strings.visit(ast.parse(file.read_text(encoding="utf-8")))
            for text in strings.found:
                for named in _IN_BACKTICKS.findall(text):
                    yield str(file.relative_to(ROOT)), " ".join(named.split())


def _named_in_documents() -> Iterator[tuple[str, str]]:
    for file in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = file.read_text(encoding="utf-8")
        typed = [line.partition(" #")[0] for block in _BLOCK.findall(text) for line in _TYPED.findall(block)]
        for named in (*_IN_BACKTICKS.findall(text), *typed):
            yield str(file.relative_to(ROOT)), " ".join(named.split())


@pytest.mark.parametrize("where", [_named_in_code, _named_in_documents], ids=["messages", "documents"])
def test_commands_that_are_named_are_there(where: Any) -> None:
    """Each command in backticks, and each that a document shows to be typed, is taken by the command line."""
    named = set(where())
    assert len(named) > 40
    wrong = {f"{place}: {words}": complaint_about(shlex.split(words)) for place, words in named}
    assert {place: why for place, why in wrong.items() if why} == {}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("models run --keep-input", "run has no option --keep-input"),
        ("models mend", "models has no command mend"),
        ("jobs 5", "jobs takes 0 arguments"),
        ("jobs --state failed --json", ""),
        ("models run ID FOLDER --out=here", ""),
    ],
)
def test_what_is_not_there_is_noticed(words: str, complaint: str) -> None:
    """Options, commands and arguments that nobody reads."""
    assert complaint_about(words.split()) == complaint
