"""Who hears of each attempt to deliver results, such as an audit trail."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class DeliveryWitness(Protocol):
    """Called from the destinations' threads, around what is sent; raises nothing."""

    def begins(self, destination: str, study_instance_uid: str, files: Sequence[Path]) -> None:
        """These objects are about to be sent."""

    def ended(self, destination: str, study_instance_uid: str, files: Sequence[Path], failure: str) -> None:
        """These objects were accepted, where `failure` is ""; else it says why they were not."""


class NoWitness:
    """Hears nothing."""

    def begins(self, destination: str, study_instance_uid: str, files: Sequence[Path]) -> None:
        """Do nothing."""

    def ended(self, destination: str, study_instance_uid: str, files: Sequence[Path], failure: str) -> None:
        """Do nothing."""
