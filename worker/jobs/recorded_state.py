"""What the states have in common that the ledger keeps: one that is none was written by somebody else."""

import enum
from typing import Self

from worker.errors import LedgerDamaged


class RecordedState(enum.StrEnum):
    """A state as the ledger has it; any other text is LedgerDamaged."""

    @classmethod
    def _missing_(cls, value: object) -> Self:
        del value  # whoever wrote it may have put anything there
        raise LedgerDamaged(f"the ledger holds a state that is none ({cls.__name__})")
