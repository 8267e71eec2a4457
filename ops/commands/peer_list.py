"""Who may talk to the node and who did, side by side: a pure table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dicom_node.peer_settings import PeerSettings
from dicom_node.settings import NodeSettings

if TYPE_CHECKING:
    from dicom_node.spooling.kept_by_sender import Kept
    from worker.ledger.peers import SenderRow


@dataclass(frozen=True, kw_only=True)
class PeerRow:
    """An AE title that may call, or has called.

    Attributes:
        ae_title: Its AE title.
        may_call: From where and how, in words; or why it may not any more.
        last_at: When the latest instance of its came, as far as ledger and spool know; None: never.
        address: Where it came from when it last began a study, or began to add to one.
        studies: How many began with it.
        instances: Of its that the spool holds.
        bytes_kept: Of these.
    """

    ae_title: str
    may_call: str
    last_at: datetime | None = None
    address: str = ""
    studies: int = 0
    instances: int = 0
    bytes_kept: int = 0


def peer_rows(node: NodeSettings, senders: Sequence["SenderRow"], kept: Mapping[str, "Kept"]) -> list[PeerRow]:
    """Return those who have sent, the latest first, then those who may and have not.

    Args:
        node: Who may.
        senders: Who did, as the ledger knows it.
        kept: By AE title, what the spool holds.
    """
    listed = {peer.ae_title: peer for peer in node.peers}
    known = {sender.ae_title: sender for sender in senders}
    rows = [
        _row(title, listed.get(title), known.get(title), kept.get(title), node)
        for title in dict.fromkeys((*known, *kept, *listed))
    ]
    # It is stable: those who never sent stay in the order of the settings.
    return sorted(rows, key=lambda row: -row.last_at.timestamp() if row.last_at is not None else 0.0)


def _row(
    title: str, entry: PeerSettings | None, sender: "SenderRow | None", kept: "Kept | None", node: NodeSettings
) -> PeerRow:
    times = [known.last_at for known in (sender, kept) if known is not None]
    return PeerRow(
        ae_title=title,
        may_call=_unlisted(node) if entry is None else _words(entry),
        last_at=max(times, default=None),
        address="" if sender is None else sender.address,
        studies=0 if sender is None else sender.studies,
        instances=0 if kept is None else kept.instances,
        bytes_kept=0 if kept is None else kept.bytes_kept,
    )


def others(node: NodeSettings) -> str:
    """Say in a sentence who may call without an entry."""
    if node.promiscuous:
        return "Anybody may call (promiscuous)."
    who = "Without an entry " + ("this machine may call" if node.loopback else "nobody may call")
    return who + (", and anybody for C-ECHO." if node.open_echo else ".")


def _words(peer: PeerSettings) -> str:
    words = [f"from {', '.join(peer.hosts)}"]
    if peer.pinned:
        words.append("with its certificate")
    if peer.max_associations is not None:
        words.append(f"{peer.max_associations} associations at once")
    if peer.max_bytes is not None:
        words.append(f"{peer.max_bytes} bytes kept")
    if peer.storage_commitment:
        words.append("asks for storage commitment")
    return ", ".join(words)


def _unlisted(node: NodeSettings) -> str:
    if node.promiscuous:
        return "anybody may"
    return "from this machine only (no entry)" if node.loopback else "no more (no entry)"
