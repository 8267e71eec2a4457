"""Who may talk to the node and who did, side by side: a pure table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from dicom_node.peer_settings import PeerSettings
from dicom_node.settings import NodeSettings

if TYPE_CHECKING:
    from worker.ledger_peers import SenderRow


@dataclass(frozen=True, kw_only=True)
class PeerRow:
    """An AE title that may call, or has called.

    Attributes:
        ae_title: Its AE title.
        may_call: From where and how, in words; or why it may not any more.
        last_at: When the latest instance of a study of its came; None: never.
        address: Where its latest study came from.
        studies: How many began with it.
    """

    ae_title: str
    may_call: str
    last_at: datetime | None = None
    address: str = ""
    studies: int = 0


def peer_rows(node: NodeSettings, senders: Sequence["SenderRow"]) -> list[PeerRow]:
    """Return those who have sent, the latest first, then those who may and have not."""
    listed = {peer.ae_title: peer for peer in node.peers}
    rows = [
        PeerRow(
            ae_title=sender.ae_title,
            may_call=_words(listed[sender.ae_title]) if sender.ae_title in listed else _unlisted(node),
            last_at=sender.last_at,
            address=sender.address,
            studies=sender.studies,
        )
        for sender in senders
    ]
    seen = {sender.ae_title for sender in senders}
    rows += [PeerRow(ae_title=peer.ae_title, may_call=_words(peer)) for peer in node.peers if peer.ae_title not in seen]
    return rows


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
