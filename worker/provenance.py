"""Where a result comes from: the digests and the clock that all its UIDs, dates and times derive from.

Nothing random and nothing of "now" enters an object, so a retry gives the same bytes.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from models.card.manifest import Card


def derived_uid(*parts: str) -> str:
    """Derive a UID under 2.25 (PS3.5 B.2) from the parts; the same parts always give the same UID."""
    digest = bytearray(hashlib.sha256("\x1f".join(("wetread", *parts)).encode()).digest()[:16])
    # RFC 9562 version 8 (custom), variant 10: PS3.5 B.2 asks for a UUID, and this makes the number one.
    digest[6] = (digest[6] & 0x0F) | 0x80
    digest[8] = (digest[8] & 0x3F) | 0x80
    return f"2.25.{int.from_bytes(digest, 'big')}"


def device_uid(card: Card) -> str:
    """Return the Device UID (0018,1002) of the algorithm: the card's, else derived from its id and version."""
    return card.device_uid or uid_of_device(card.id, card.version)


def uid_of_device(model_id: str, version: str) -> str:
    """Return the Device UID of a version of a model whose card names none."""
    return derived_uid("device", model_id, version)


def serial_number(model_digest: str) -> str:
    """Return the Device Serial Number (0018,1000) by which results of two states of one version are told apart."""
    return model_digest[:16]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What identifies one read of one input by one model.

    Attributes:
        card: The model's card.
        model_digest: sha256 over the model's files, hex.
        inputs_digest: sha256 over the SOP Instance UIDs and datasets that were read, hex.
        recipe_digest: sha256 over every setting that alters output, hex.
        read_at: From the job's record, with zone; content dates and times derive from it.
        runtime: What ran the network.
    """

    card: Card
    model_digest: str
    inputs_digest: str
    recipe_digest: str
    read_at: datetime
    runtime: str

    def uid(self, *output: str) -> str:
        """Return the UID of an output of this read, such as ``uid("seg", "instance")``."""
        return derived_uid(self.inputs_digest, self.model_digest, self.recipe_digest, *output)
