"""What can go wrong on the wire and in the spool, each with cause and remedy; a refused C-STORE with its status."""

OUT_OF_RESOURCES = 0xA700  # PS3.4 B.2.3
DATA_SET_DOES_NOT_MATCH = 0xA900
CANNOT_UNDERSTAND_UID = 0xC001
CANNOT_UNDERSTAND_MISSING_UID = 0xC002
CANNOT_UNDERSTAND_DATA_SET = 0xC003
CANNOT_UNDERSTAND_INTERNAL = 0xC004

_LATER, _MEND = "send again later", "mend the object"


class NodeError(Exception):
    """Something on the wire or in the spool failed; the message names cause and remedy and never a patient.

    Attributes:
        kept_nothing: Whether the other side has certainly kept nothing of what it was to store: no connection came
            about, or it would not hear us.
    """

    kept_nothing = False


class ListenFailed(NodeError):
    """The node cannot listen on its address; the message names the address and the system's words."""


class WireError(NodeError):
    """A peer sent what the standard does not allow, so its association is aborted; the message says what, no value."""


class Silent(NodeError):
    """A peer stopped in the middle of a PDU or a message; its association is closed and what came of it forgotten."""


class Interrupted(NodeError):
    """The node ends an association in the middle of a message."""


class StoreRefused(NodeError):
    """An instance is refused; `status` is what its sender gets.

    Attributes:
        status: Of the C-STORE response (PS3.4 B.2.3).
        comment: Error Comment (0000,0902) of the response, at most 64 characters; names no patient.
        means: What was wrong, for the conformance statement.
        sender_does: What whoever sends should do about it.
    """

    status = CANNOT_UNDERSTAND_INTERNAL
    comment = "internal error"
    means = "an error of wetread's own; its log tells"
    sender_does = "report it"


class SpoolFull(StoreRefused):
    """The spool has less free space than its low watermark, so instances are refused until there is room.

    Free space on the spool's file system, or lower `min_free_bytes`.
    """

    status = OUT_OF_RESOURCES
    comment = "spool full"
    means = "the spool's disk has less free space than `node.min_free_bytes`"
    sender_does = _LATER


class ShareFull(StoreRefused):
    """The sender's instances fill as much of the spool as they may, so more are refused until there is room.

    Remove studies of its that are done with, or raise `max_bytes` of its `[[node.peers]]`.
    """

    status = OUT_OF_RESOURCES
    comment = "the sender's share of the spool is full"
    means = "its sender fills as much of the spool as it may (`max_bytes` of its `[[node.peers]]`)"
    sender_does = _LATER


class SpoolFailed(StoreRefused):
    """The spool's disk did not take an instance, so instances are refused until it takes a test file again.

    Look at the disk's health; the message has the system's words.
    """

    status = OUT_OF_RESOURCES
    comment = "spool failing"
    means = "the spool's disk failed, and has taken no test file since"
    sender_does = _LATER


class SpoolUnfit(NodeError):
    """The spool's file system lacks what keeping an instance needs; the message says what, and which have it."""


class Backlogged(StoreRefused):
    """Too many complete studies wait, or nobody puts any together; the message says which. Instances are refused."""

    status = OUT_OF_RESOURCES
    comment = "backlog full"
    means = (
        "`node.max_backlog` complete studies wait for the ledger, one could not be synced, or nobody puts studies "
        "together for the moment"
    )
    sender_does = _LATER


class NobodyHears(StoreRefused):
    """The node's first process is gone, so nobody would assemble what comes; the node is started again, or stopped."""

    status = OUT_OF_RESOURCES
    comment = "node is ending"
    means = "the node's first process is gone, and with it who puts studies together; this one is about to end"
    sender_does = _LATER


class Mismatch(StoreRefused):
    """The request names another SOP Class or Instance UID than its dataset: the sender must mend its object."""

    status = DATA_SET_DOES_NOT_MATCH
    comment = "SOP UID differs from dataset"
    means = "SOP Class or Instance UID of the request is not the dataset's"
    sender_does = _MEND


class WrongContext(StoreRefused):
    """The request names another SOP Class than its presentation context was negotiated for: mend the sender."""

    status = DATA_SET_DOES_NOT_MATCH
    comment = "SOP class is not the context's"
    means = "the SOP Class of the request is not the one that its presentation context was negotiated for"
    sender_does = "send it on a context of its own SOP class"


class InvalidUid(StoreRefused):
    """A UID is not one (PS3.5 9.1), so nothing was written: the sender must mend its object."""

    status = CANNOT_UNDERSTAND_UID
    comment = "invalid UID"
    means = "a UID is not one (PS3.5 9.1), or the request names none; nothing was written"
    sender_does = _MEND


class MissingUid(StoreRefused):
    """The dataset has no Study or Series Instance UID; it is kept in the spool's `quarantine` for the admin."""

    status = CANNOT_UNDERSTAND_MISSING_UID
    comment = "Study or Series UID missing"
    means = "no Study or Series Instance UID; kept in quarantine"
    sender_does = _MEND


class HeadUnreadable(StoreRefused):
    """The dataset's first elements cannot be parsed; it is kept in the spool's `quarantine` for the admin."""

    status = CANNOT_UNDERSTAND_DATA_SET
    comment = "dataset unreadable"
    means = "the dataset's first elements cannot be parsed; kept in quarantine"
    sender_does = _MEND


class ArchiveError(NodeError):
    """An exchange with an archive failed."""


class ArchiveUnreachable(ArchiveError):
    """The archive does not answer: is it up, are host and port right, is a firewall between?"""


class ServiceFailed(ArchiveUnreachable):
    """The archive answered that it failed: is it well, or is it what was sent that it cannot take?"""


class AssociationRejected(ArchiveError):
    """The archive rejected the association; the message tells the reason that it gave.

    Does it know our AE title, and do we call it by the right one?
    """


class QueryFailed(ArchiveError):
    """The archive did not answer the query with one study; the message tells the status, never the study's data."""


class NotDicom(NodeError):
    """A file is not DICOM (PS3.10), or its meta information lacks SOP Class, Instance or Transfer Syntax UID."""


class CertificateUnusable(NodeError):
    """A certificate, its key or a file of CAs cannot be used for TLS; the message names the file and the cause."""


class HandshakeFailed(NodeError):
    """A caller and the node did not come to speak TLS; the message tells what the caller did, `remedy` what helps."""

    def __init__(self, found: str, remedy: str) -> None:
        """Take both."""
        super().__init__(found)
        self.remedy = remedy


class MetaUnreadable(NotDicom):
    """A file is DICOM, and its meta information cannot be read or lacks a UID; the message says what."""


class MediaUnreadable(NodeError):
    """A zip file or a media directory (DICOMDIR) cannot be read, or is beyond its limits; the message says why."""
