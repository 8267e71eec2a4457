"""What the upper layer of an association asks of the node."""

from typing import Any, Protocol

from dicom_node.receiving.store_receiver import StoreReceiver


class Reading(Protocol):
    """What the seam asks of the node for each association."""

    def receiver_of(self, association: Any) -> StoreReceiver:
        """Return who takes the messages of an association that was just accepted."""

    @property
    def longest_pdu(self) -> int:
        """The most bytes that a P-DATA-TF may have after its header."""

    @property
    def most_connections(self) -> int:
        """How many connections may be open, of whatever has or has not become of them; more are closed at once."""

    def is_strange(self, address: str) -> bool:
        """Say whether nobody may call from an address, so that its connections have fewer places."""

    @property
    def shares_port(self) -> bool:
        """Whether other processes accept from the same socket."""

    @property
    def association_within_s(self) -> float:
        """How long a PDU of the negotiation may take."""

    @property
    def data_within_s(self) -> float:
        """How long a P-DATA-TF may take, and how long the next one of a message is waited for."""
