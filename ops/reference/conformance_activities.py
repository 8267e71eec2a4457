"""What wetread asks of others, by real-world activity, as PS3.2 wants it told: the one table, held against the code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dicom_node.archives.identity import StudyIdentity
from dicom_node.contexts import (
    MODALITY_WORKLIST_FIND,
    STORAGE_COMMITMENT,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    VERIFICATION,
)
from worker.object_kinds import KINDS

#: As they are on disk: a result, or what a person sends.
AS_STORED = "the file's own, alone"
#: pynetdicom's, where nothing is said.
USUAL = "Implicit VR LE, Explicit VR LE, Deflated Explicit VR LE, Explicit VR BE"
EXPLICIT = "Explicit VR LE"
ANY = "every one that is accepted as well, each in a context of its own"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Presentation contexts that are proposed together.

    Attributes:
        sop_classes: UIDs; empty for those of whatever is sent or got.
        transfer_syntaxes: In words.
        role: As which the association is asked for (PS3.7 D.3.3.4).
        what: In words, where `sop_classes` is empty.
    """

    sop_classes: tuple[str, ...] = ()
    transfer_syntaxes: str
    role: Literal["SCU", "SCP"] = "SCU"
    what: str = ""


@dataclass(frozen=True, kw_only=True)
class Activity:
    """A real-world activity for which an association is opened.

    Attributes:
        name: What happens.
        by: The process, or the command.
        when: What makes it happen.
        services: DIMSE services that are asked for, as methods of pynetdicom's association.
        detail: Levels and keys, in words.
        proposals: What is proposed.
    """

    name: str
    by: str
    when: str
    services: tuple[str, ...]
    detail: str = ""
    proposals: tuple[Proposal, ...]


def _classes(*kinds: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(about.sop_class_uid for kind, about in KINDS.items() if not kinds or kind in kinds))


_FIND = Proposal(sop_classes=(STUDY_ROOT_FIND,), transfer_syntaxes=USUAL)
_GET = Proposal(sop_classes=(STUDY_ROOT_GET,), transfer_syntaxes=USUAL)
_REPORTS = Proposal(sop_classes=_classes("SR", "TEXT-SR"), transfer_syntaxes=EXPLICIT, role="SCP")

ACTIVITIES: Sequence[Activity] = (
    Activity(
        name="Count the images of a study",
        by="`wetread node`",
        when="a study has been quiet for `node.ask_after_s`, and its sender's entry or the node sets `counts_from`; "
        "again, ever less often, while the counts differ",
        services=("send_c_find",),
        detail="Level SERIES, by Study Instance UID; asked for are SeriesInstanceUID, NumberOfSeriesRelatedInstances.",
        proposals=(_FIND,),
    ),
    Activity(
        name="Ask how urgent an order is",
        by="`wetread node`",
        when="a study is complete, and `[worklist]` is set; once for each revision",
        services=("send_c_find",),
        detail="By Accession Number; asked for are PatientID, RequestedProcedureID, RequestedProcedurePriority, and of "
        "the step what every worklist must answer. Answers for another patient do not count.",
        proposals=(Proposal(sop_classes=(MODALITY_WORKLIST_FIND,), transfer_syntaxes=USUAL),),
    ),
    Activity(
        name="Ask whose a study is",
        by="`wetread deliver`",
        when="right before results of a job leave for a destination with `identity_check`, each time they are sent",
        services=("send_c_find",),
        detail=f"Level STUDY, by Study Instance UID; asked for are {', '.join(StudyIdentity.keywords())}.",
        proposals=(_FIND,),
    ),
    Activity(
        name="Send results",
        by="`wetread deliver`",
        when="a job is read, or ended without a read and a destination is told of it; again, with growing waits, until "
        "each object is answered",
        services=("send_c_store",),
        detail="Where a context is not accepted the same object follows in the next transfer syntax of `encodings`, on "
        "another association.",
        proposals=(Proposal(sop_classes=_classes(), transfer_syntaxes=AS_STORED),),
    ),
    Activity(
        name="Ask for storage commitment",
        by="`wetread deliver`",
        when="a destination with `commitment` has taken everything of a job; again where no report comes within "
        "`commitment_timeout_s`, which doubles",
        services=("send_n_action",),
        detail="The association stays open for `commitment_linger_s`, for a report (N-EVENT-REPORT) on it. See 4.2.5.",
        proposals=(Proposal(sop_classes=(STORAGE_COMMITMENT,), transfer_syntaxes=USUAL),),
    ),
    Activity(
        name="Report storage commitment",
        by="`wetread node`",
        when="a peer has asked for it, and has not taken the report on its own association; again, with growing waits",
        services=("send_n_event_report",),
        detail="To `report_to` of its entry. See 4.2.5.",
        proposals=(Proposal(sop_classes=(STORAGE_COMMITMENT,), transfer_syntaxes=USUAL, role="SCP"),),
    ),
    Activity(
        name="See whether an archive has what was promised",
        by="`wetread node`, `wetread retention --remove`",
        when="retention would remove a study with instances that are held (4.2.5)",
        services=("send_c_find",),
        detail="Each `dicom` destination is asked, at levels SERIES and IMAGE, by UID.",
        proposals=(_FIND,),
    ),
    Activity(
        name="See whether a destination is back",
        by="`wetread deliver`",
        when="`delivery.breaker_after` connections in a row have failed; with growing waits, until it answers",
        services=("send_c_echo",),
        detail="Any answer counts, also that Verification is not accepted.",
        proposals=(Proposal(sop_classes=(VERIFICATION,), transfer_syntaxes=USUAL),),
    ),
    Activity(
        name="Find an earlier read",
        by="`wetread worker`",
        when="a study is read, and a destination sets `prior = true`",
        services=("send_c_find", "send_c_get"),
        detail="C-FIND at level STUDY, by Patient ID, and SERIES, by Study Instance UID and Modality; C-GET at SERIES.",
        proposals=(_FIND, _GET, _REPORTS),
    ),
    Activity(
        name="Verify",
        by="`wetread echo`",
        when="a person asks",
        services=("send_c_echo",),
        proposals=(Proposal(sop_classes=(VERIFICATION,), transfer_syntaxes=USUAL),),
    ),
    Activity(
        name="Send files",
        by="`wetread send`",
        when="a person asks",
        services=("send_c_store",),
        proposals=(Proposal(what="SOP class of each file", transfer_syntaxes=AS_STORED),),
    ),
    Activity(
        name="Pull studies by C-GET",
        by="`wetread pull`",
        when="a person asks",
        services=("send_c_find", "send_c_get", "send_c_store"),
        detail="C-FIND at levels STUDY, SERIES and IMAGE, by UID; C-GET at level STUDY; each instance goes on to our "
        "own node by C-STORE as it comes.",
        proposals=(
            _FIND,
            _GET,
            Proposal(what="SOP classes of the study, as the archive tells them", transfer_syntaxes=ANY, role="SCP"),
        ),
    ),
    Activity(
        name="Pull studies by C-MOVE",
        by="`wetread pull --move`",
        when="a person asks",
        services=("send_c_find", "send_c_move"),
        detail="C-FIND at levels STUDY, SERIES and IMAGE, by UID; C-MOVE at level STUDY, to our own node.",
        proposals=(_FIND, Proposal(sop_classes=(STUDY_ROOT_MOVE,), transfer_syntaxes=USUAL)),
    ),
    Activity(
        name="Read results back",
        by="`wetread demo`",
        when="the demonstration ends",
        services=("send_c_get",),
        detail="Level STUDY.",
        proposals=(_GET, Proposal(sop_classes=_classes(), transfer_syntaxes=EXPLICIT, role="SCP")),
    ),
)
