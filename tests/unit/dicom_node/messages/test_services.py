"""Requests beside C-STORE: what every one of them is asked first, and the status that it gets (PS3.7 C)."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from dicom_node.contexts import PERFORMED_PROCEDURE_STEP, STORAGE_COMMITMENT
from dicom_node.errors import HeadUnreadable, SpoolFull
from dicom_node.messages.command_set import N_ACTION_RQ, N_CREATE_RQ, N_GET_RQ, Command
from dicom_node.messages.services import LONGEST_DATASET, Incoming, Request, ServiceRefused, Services, Status

CONTEXTS = {1: (STORAGE_COMMITMENT, "1.2.840.10008.1.2"), 3: (PERFORMED_PROCEDURE_STEP, "1.2.840.10008.1.2.1")}


def command(field: int = N_ACTION_RQ, sop_class_uid: str = STORAGE_COMMITMENT, *, has_dataset: bool = True) -> Command:
    """Return a request."""
    return Command(
        field=field,
        message_id=1,
        priority=0,
        has_dataset=has_dataset,
        sop_class_uid=sop_class_uid,
        sop_instance_uid="1.2.3",
        action_type_id=1,
    )


def served(operation: Callable[[Request], str]) -> Services:
    """Return services with this operation alone."""
    return Services({(N_ACTION_RQ, STORAGE_COMMITMENT): operation}, CONTEXTS)


def incoming(data: bytes) -> Incoming:
    """Return a dataset that has come."""
    made = Incoming()
    made.write(memoryview(data))
    return made


def test_an_operation_gets_the_request_whole() -> None:
    """UID, action, dataset and encoding; what it returns is named in the response."""
    seen: list[Request] = []
    answer = served(lambda request: seen.append(request) or "1.2.9").answer(command(), 1, incoming(b"data"))
    assert (answer.status, answer.sop_instance_uid) == (0, "1.2.9")
    (request,) = seen
    assert (request.sop_instance_uid, request.action_type_id, request.context_id) == ("1.2.3", 1, 1)
    assert (bytes(request.dataset or b""), request.encoding.implicit) == (b"data", True)
    served(lambda request: seen.append(request) or "").answer(command(has_dataset=False), 1, incoming(b""))
    assert seen[1].dataset is None


@pytest.mark.parametrize(
    ("asked", "context", "status"),
    [
        (command(N_GET_RQ), 1, 0x0211),
        (command(N_CREATE_RQ), 1, 0x0211),
        (command(), 3, 0x0211),
        (command(sop_class_uid=PERFORMED_PROCEDURE_STEP), 1, 0x0118),
        (command(sop_class_uid=""), 1, 0x0118),
    ],
    ids=["an operation", "another service's", "another context", "another class", "no class"],
)
def test_what_is_not_served_is_said(asked: Command, context: int, status: int) -> None:
    """Nobody is asked to serve it."""
    answer = served(lambda _: pytest.fail("it was served")).answer(asked, context, incoming(b""))
    assert answer.status == status
    assert 0 < len(answer.comment) <= 64


def test_a_dataset_has_a_limit() -> None:
    """Up to it all is kept, one byte more and nothing is."""
    just = incoming(bytes(LONGEST_DATASET))
    assert served(lambda _: "").answer(command(), 1, just).status == 0
    just.write(memoryview(b"x"))
    just.write(memoryview(b"y"))
    assert len(just.data) == 0
    assert served(lambda _: pytest.fail("it was served")).answer(command(), 1, just).status == 0x0213


@pytest.mark.parametrize(
    ("error", "status", "error_id"),
    [
        (ServiceRefused(Status.NO_SUCH_SOP_INSTANCE), 0x0112, None),
        (ServiceRefused(Status.PROCESSING_FAILURE, "over", error_id=0xA506), 0x0110, 0xA506),
        (HeadUnreadable("Canary^Bird"), 0x0110, None),
        (SpoolFull("no room"), 0x0213, None),
        (OSError(5, "Input/output error"), 0x0110, None),
        (KeyError("Canary^Bird"), 0x0110, None),
        (RecursionError("Canary^Bird"), 0x0110, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_an_operation_raises_is_a_status(error: Exception, status: int, error_id: int | None) -> None:
    """The association goes on, and what the error says, which could quote the dataset, reaches no peer."""

    def fail(_request: Request) -> str:
        raise error

    with structlog.testing.capture_logs() as logs:
        answer = served(fail).answer(command(), 1, incoming(b""))
    assert (answer.status, answer.error_id) == (status, error_id)
    assert "Canary" not in answer.comment
    assert [entry["event"] for entry in logs] == ["request refused"]
    assert isinstance(error, HeadUnreadable) or "Canary" not in str(logs)
    if isinstance(error, LookupError | RuntimeError):
        assert re.fullmatch(rf"{type(error).__name__} at test_services\.py:\d+", logs[0]["cause"])


def test_each_status_stands_in_the_conformance_statement() -> None:
    """With what its receiver should do."""
    text = (Path(__file__).parents[4] / "docs" / "conformance.md").read_text()
    table = text.partition("\nTo N-ACTION, N-CREATE")[2].partition("\n#### ")[0]
    assert [status.name for status in Status if f"{status.code:04X}" not in table] == []
