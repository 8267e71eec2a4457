"""The part of a document that `make docs` writes: what stands between its two marks is replaced, the rest is kept."""


def with_section(document: str, name: str, content: str) -> str:
    """Return the document with this content in the section of this name."""
    begin, end = f"<!-- begin {name}: made by `make docs` -->", f"<!-- end {name} -->"
    before, _, rest = document.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"
