"""What announcements do: steps are remembered, and a study's list of instances goes to who assembles it."""

from collections.abc import Callable
from dataclasses import replace

import structlog
from pydicom.uid import generate_uid

from dicom_node.announcing.announcements import StepStatus, read_availability, read_created_step, read_step_change
from dicom_node.announcing.performed_steps import PerformedSteps, Step
from dicom_node.datasets.origin import require_uid
from dicom_node.errors import InvalidUid
from dicom_node.messages.services import Request, ServiceRefused, Status
from dicom_node.spooling.spool import Spool

_log = structlog.get_logger()

#: Error ID of a step that is over (PS3.4 F.7.2.2.3).
_MAY_NO_LONGER_BE_UPDATED = 0xA506

#: Told a Study Instance UID, the SOP Instance UIDs that it consists of, and who said so: "MPPS" or "IAN".
Listed = Callable[[str, frozenset[str], str], None]


class AnnouncementService:
    """The operations of one association."""

    def __init__(self, *, spool: Spool, listed: Listed) -> None:
        """Take where steps are remembered, and who is told of lists."""
        self._spool = spool
        self._steps = PerformedSteps(spool.root)
        self._listed = listed

    def step_created(self, request: Request) -> str:
        """N-CREATE of a performed procedure step. Raises ServiceRefused, HeadUnreadable, OSError."""
        uid = _uid_of(request)
        studies = read_created_step(request)
        self._require_room()
        if not self._steps.create(uid, Step(study_instance_uids=studies)):
            raise ServiceRefused(Status.DUPLICATE_SOP_INSTANCE)
        return uid

    def step_set(self, request: Request) -> str:
        """N-SET of a performed procedure step. Raises ServiceRefused, HeadUnreadable, OSError."""
        uid = _named(request)
        step = self._steps.find(uid)
        if step is None:
            raise ServiceRefused(Status.NO_SUCH_SOP_INSTANCE)
        if step.over:
            raise ServiceRefused(
                Status.PROCESSING_FAILURE, "the step is over and changes no more", error_id=_MAY_NO_LONGER_BE_UPDATED
            )
        change = read_step_change(request)
        made = step.sop_instance_uids if change.sop_instance_uids is None else change.sop_instance_uids
        over = change.status in (StepStatus.COMPLETED, StepStatus.DISCONTINUED)
        self._require_room()
        self._steps.change(uid, replace(step, sop_instance_uids=frozenset() if over else made, over=over))
        if change.status is StepStatus.COMPLETED:
            self._tell(step.study_instance_uids, made)
        return ""

    def availability_created(self, request: Request) -> str:
        """N-CREATE of an instance availability notification. Raises ServiceRefused, HeadUnreadable."""
        uid = _uid_of(request)
        said = read_availability(request)
        if said.sop_instance_uids:
            self._listed(said.study_instance_uid, said.sop_instance_uids, "IAN")
        return uid

    def _tell(self, study_instance_uids: frozenset[str], made: frozenset[str]) -> None:
        # Of a step for several studies nobody says which image belongs to which.
        if len(study_instance_uids) == 1 and made:
            self._listed(next(iter(study_instance_uids)), made, "MPPS")
        else:
            _log.info("a step's list is of no use", studies=len(study_instance_uids), instances=len(made))

    def _require_room(self) -> None:
        self._spool.require_room()


def _named(request: Request) -> str:
    try:
        require_uid("SOP Instance UID", request.sop_instance_uid)
    except InvalidUid as error:
        raise ServiceRefused(Status.INVALID_SOP_INSTANCE) from error
    return request.sop_instance_uid


def _uid_of(request: Request) -> str:
    """Return the UID of what is created; ours where the request leaves it to us (PS3.7 10.1.5.1.3)."""
    return _named(request) if request.sop_instance_uid else str(generate_uid(prefix=None))
