"""What an answer says of its question, whatever words it takes: that it is so, that it is not, or neither."""

from models.findings import Finding

_PRESENT = ("52101004", "SCT")
#: (value, scheme) of answers that say yes: Present, Yes, Positive, Detected.
_YES = (_PRESENT, ("373066001", "SCT"), ("10828004", "SCT"), ("260373001", "SCT"))
#: And of those that say no, whatever their certainty: Absent, Absence findings, No, Negative, Not detected.
_NO = (("2667000", "SCT"), ("272519000", "SCT"), ("373067005", "SCT"), ("260385009", "SCT"), ("260415000", "SCT"))


def affirms(finding: Finding) -> bool:
    """Say whether what a finding asks about is there."""
    return finding.value.code in _YES


def denies(finding: Finding) -> bool:
    """Say whether it is not there."""
    return finding.value.code in _NO


def only_present(finding: Finding) -> bool:
    """Say whether the question's name alone says it all: a condition is present."""
    return finding.value.code == _PRESENT
