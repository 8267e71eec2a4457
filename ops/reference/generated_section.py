"""The part of a document that `make docs` writes: what stands between its two marks is replaced, the rest is kept."""

import sys
from collections.abc import Callable
from pathlib import Path


def rewrite(replaced: Callable[[str], str]) -> None:
    """Rewrite the document whose path is the last argument, with its sections as they should be."""
    file = Path(sys.argv[-1])
    file.write_text(replaced(file.read_text(encoding="utf-8")), encoding="utf-8")


def with_section(document: str, name: str, content: str) -> str:
    """Return the document with this content in the section of this name."""
    begin, end = f"<!-- begin {name}: made by `make docs` -->", f"<!-- end {name} -->"
    before, _, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"
