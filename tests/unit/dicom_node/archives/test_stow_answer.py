"""What answers to STOW-RS mean."""

import json

import pytest
from pydicom.dataset import Dataset

from dicom_node.archives.sender import OutcomeKind
from dicom_node.archives.stow_answer import answered_dataset, is_stow_answer, outcome_of_stow
from dicom_node.errors import ArchiveUnreachable, AssociationRejected


def answer(*, failed: int | None = None, warned: int | None = None, stored: bool = False, uid: str = "1.2") -> Dataset:
    """Return what a service says of one instance, as it comes over the wire."""
    dataset = Dataset()
    item = Dataset()
    item.ReferencedSOPInstanceUID = uid
    if failed is not None:
        item.FailureReason = failed
        dataset.FailedSOPSequence = [item]
    elif stored or warned is not None:
        if warned is not None:
            item.WarningReason = warned
        dataset.ReferencedSOPSequence = [item]
    return answered_dataset(dataset.to_json().encode())


@pytest.mark.parametrize(
    ("status", "answered", "kind", "code"),
    [
        (200, answer(stored=True), OutcomeKind.ACCEPTED, 0),
        (200, Dataset(), OutcomeKind.ACCEPTED, 0),
        (202, answer(warned=0xB000), OutcomeKind.WARNING, 0xB000),
        (202, answer(failed=0xA700), OutcomeKind.REFUSED, 0xA700),
        (409, answer(failed=0xA900), OutcomeKind.REFUSED, 0xA900),
        (409, answer(failed=0x0111), OutcomeKind.DUPLICATE, 0x0111),
        (409, answer(failed=45070), OutcomeKind.DUPLICATE, 0x0111),
        (409, answer(failed=0x0122), OutcomeKind.NO_CONTEXT, 0x0122),
        (409, answer(failed=0xC122), OutcomeKind.NO_CONTEXT, 0xC122),
        (400, answer(failed=0xC000), OutcomeKind.REFUSED, 0xC000),
        (413, Dataset(), OutcomeKind.REFUSED, 0xA700),
        (415, Dataset(), OutcomeKind.NO_CONTEXT, 0x0122),
    ],
)
def test_what_an_answer_says_of_an_instance(status: int, answered: Dataset, kind: OutcomeKind, code: int) -> None:
    """Stored, stored with a warning, there already, not taken in this form, refused."""
    outcome = outcome_of_stow(status, answered, "1.2", "the archive")
    assert outcome is not None
    assert (outcome.kind, outcome.status) == (kind, code)


@pytest.mark.parametrize(
    ("status", "answered"),
    [
        (202, Dataset()),
        (409, Dataset()),
        (409, answer(failed=1, uid="9")),
        (200, answer(stored=True, uid="9")),
        (200, answer(failed=1, uid="9")),
    ],
)
def test_an_answer_about_something_else_says_nothing(status: int, answered: Dataset) -> None:
    """Then one must look whether the instance is there."""
    assert outcome_of_stow(status, answered, "1.2", "the archive") is None


@pytest.mark.parametrize(
    "element",
    [
        '"00081198": {"vr": "LO", "Value": ["x"]}',
        '"00081199": {"vr": "FD", "Value": [1.5]}',
        '"00081197": {"vr": "US", "Value": [Infinity]}',
        '"00081198": {"vr": "UN", "InlineBinary": ["Infinity"]}',
    ],
)
def test_nonsense_says_nothing(element: str) -> None:
    """What stands where items should, and numbers that are none, leave the word to the status."""
    answered = answered_dataset(f"[{{{element}}}]".encode())
    assert outcome_of_stow(202, answered, "1.2", "the archive") is None
    stored = outcome_of_stow(200, answered, "1.2", "the archive")
    assert stored is not None
    assert stored.accepted


@pytest.mark.parametrize("body", [b"OK", b'{"error": "log in"}', b"<html/>", b"7", b"null", b'["1"]', b"[" * 100_000])
def test_what_no_archive_says_is_no_answer(body: bytes) -> None:
    """Whatever stands before an archive, and answers 200 to everything."""
    assert not is_stow_answer(body)


@pytest.mark.parametrize(
    "body",
    [b"", b"\r\n", b"[]", b"{}", b"[{}]", b'[{"00081199": 5}]', b'<?xml version="1.0"?><NativeDicomModel/>'],
)
def test_what_an_archive_may_say_is_an_answer(body: bytes) -> None:
    """Also where the dataset is none: then the status counts."""
    assert is_stow_answer(body)


@pytest.mark.parametrize("status", [302, 404, 405, 429, 500, 503, 507])
def test_what_did_not_look_at_the_instance_is_tried_again(status: int) -> None:
    """A service that is ill, or not there, refuses nothing."""
    with pytest.raises(ArchiveUnreachable, match=str(status)):
        outcome_of_stow(status, Dataset(), "1.2", "the archive")


@pytest.mark.parametrize("status", [401, 403])
def test_a_service_that_does_not_know_us_says_so(status: int) -> None:
    """The reason leads to user and token."""
    with pytest.raises(AssociationRejected, match="token") as raised:
        outcome_of_stow(status, Dataset(), "1.2", "the archive")
    assert raised.value.kept_nothing


@pytest.mark.parametrize(
    "body",
    [b"", b"<xml/>", b"[]", b"7", b"null", b'{"00081198": 5}', json.dumps([[]]).encode(), b"[" * 100_000],
)
def test_a_body_that_is_none_says_nothing(body: bytes) -> None:
    """Whatever comes, no error comes of it."""
    assert not answered_dataset(body)


def test_a_failure_without_a_number_is_a_failure() -> None:
    """A reason that is no number counts as a processing failure."""
    dataset = answer(failed=0x0110)
    del dataset.FailedSOPSequence[0].FailureReason
    outcome = outcome_of_stow(409, dataset, "1.2", "the archive")
    assert outcome is not None
    assert (outcome.kind, outcome.status) == (OutcomeKind.REFUSED, 0x0110)
