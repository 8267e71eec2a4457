"""What others ask of wetread, by real-world activity, as PS3.2 wants it told: the one table, held against the code."""

from collections.abc import Sequence
from dataclasses import dataclass

from dicom_node.contexts import INSTANCE_AVAILABILITY, PERFORMED_PROCEDURE_STEP, STORAGE_COMMITMENT, VERIFICATION
from dicom_node.peer_settings import PeerSettings, ReportToSettings
from dicom_node.processes.offered_services import commitment_roles, offered


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """A real-world activity of others for which the node accepts presentation contexts.

    Attributes:
        name: What happens.
        services: DIMSE services, in the standard's words.
        by: Who may.
        sop_classes: UIDs; empty for storage, whose table is an annex.
        role: As which the node is there.
        negotiation: Extended negotiation, in words.
        detail: What it leads to.
    """

    name: str
    services: str
    by: str
    sop_classes: tuple[str, ...] = ()
    role: str = "SCP"
    negotiation: str = "none"
    detail: str


ACCEPTANCES: Sequence[Acceptance] = (
    Acceptance(
        name="Verify",
        services="C-ECHO",
        by="whoever is admitted (4.2.2)",
        sop_classes=(VERIFICATION,),
        detail="Answered with 0000.",
    ),
    Acceptance(
        name="Bring studies",
        services="C-STORE",
        by="whoever is admitted, but for those who are admitted for C-ECHO alone",
        detail="Answered when it is on disk; statuses in 4.2.3.",
    ),
    Acceptance(
        name="Ask for storage commitment",
        services="N-ACTION, and N-EVENT-REPORT in return",
        by="peers whose entry says `storage_commitment = true`",
        sop_classes=(STORAGE_COMMITMENT,),
        detail="See 4.2.5.",
    ),
    Acceptance(
        name="Tell what a study consists of",
        services="N-CREATE and N-SET (steps), N-CREATE (notifications)",
        by="peers that have an entry",
        sop_classes=(PERFORMED_PROCEDURE_STEP, INSTANCE_AVAILABILITY),
        detail="See 4.2.6.",
    ),
    Acceptance(
        name="Report on commitment that we asked for",
        services="N-EVENT-REPORT",
        by="destinations with `commitment` that have an entry",
        sop_classes=(STORAGE_COMMITMENT,),
        role="SCU",
        negotiation="role selection (PS3.7 D.3.3.4): the requestor as SCP",
        detail="Answered when the ledger has it. See 4.2.5.",
    ),
)


def services() -> frozenset[str]:
    """Return the SOP classes beside storage and verification that a peer is offered which may do everything."""
    anybody = PeerSettings(
        ae_title="PEER",
        hosts=("192.0.2.1",),
        storage_commitment=True,
        report_to=ReportToSettings(host="192.0.2.1", port=104),
    )
    return offered(anybody, commitment_roles(anybody, commitment=True))
