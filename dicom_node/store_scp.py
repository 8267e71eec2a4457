"""One C-STORE (PS3.7 9.3.1): from the request to the status."""

from typing import Any, Protocol

import structlog
from pydicom.dataset import Dataset

from dicom_node.errors import Backlogged, HeadUnreadable, StoreRefused
from dicom_node.spool import Incoming, Spool
from dicom_node.study import StoredInstance

_log = structlog.get_logger()

SUCCESS = 0x0000


class Reception(Protocol):
    """Who is told what arrives; the assembler is one. Called from the associations' threads; must return at once."""

    def accepting(self) -> bool:
        """Say whether instances may still be taken; False makes the node answer A700."""

    def instance_stored(self, instance: StoredInstance, association: str) -> None:
        """An instance is in the spool, and its sender does not know it yet."""

    def association_ended(self, association: str) -> None:
        """An association is over, in whatever way."""


def answer_store(event: Any, *, spool: Spool, reception: Reception, association: str) -> Dataset:
    """Return the response's status (and Error Comment) for pynetdicom's C-STORE event; never raises."""
    log = _log.bind(
        calling_ae_title=event.assoc.requestor.ae_title.strip(),
        sop_instance_uid=_loggable(event.request.AffectedSOPInstanceUID),
    )
    try:
        _require_backlog(reception)
        instance = spool.store(_incoming(event))
        reception.instance_stored(instance, association)
    except StoreRefused as refusal:
        log.warning("instance refused", status=f"{refusal.status:04X}", kind=type(refusal).__name__, cause=str(refusal))
        return _response(refusal.status, refusal.comment)
    except Exception as error:  # noqa: BLE001 - the outermost frame of a request: a bug must not end in silence
        failure = {"kind": type(error).__name__, "where": _where(error)}
        log.error("instance failed", **failure)  # noqa: TRY400 - the error's words could quote the dataset
        return _response(StoreRefused.status, StoreRefused.comment)
    log.debug("instance stored", file=instance.file, arrival=instance.arrival.value, own=instance.own)
    return _response(SUCCESS, "")


def _require_backlog(reception: Reception) -> None:
    if not reception.accepting():
        raise Backlogged("too many complete studies wait for the ledger; is its database up?")


def _incoming(event: Any) -> Incoming:
    request, association = event.request, event.assoc
    if request.DataSet is None:
        raise HeadUnreadable("the request has no dataset")
    return Incoming(
        dataset=request.DataSet.getbuffer(),
        sop_class_uid=str(request.AffectedSOPClassUID),
        sop_instance_uid=str(request.AffectedSOPInstanceUID),
        transfer_syntax_uid=str(event.context.transfer_syntax),
        calling_ae_title=association.requestor.ae_title.strip(),
        called_ae_title=association.acceptor.ae_title.strip(),
        sender_address=association.requestor.address,
    )


def _response(status: int, comment: str) -> Dataset:
    response = Dataset()
    response.Status = status
    if comment:
        response.ErrorComment = comment
    return response


def _loggable(uid: object) -> str:
    text = str(uid)
    return text if text.replace(".", "").isdigit() else "not a UID"


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
