"""Results that come back, told apart from what others made: by the ledger, else by the device that made them.

Where an archive routes everything it gets, it routes our own results to us too, and may have changed what their headers
say of the equipment.
"""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.errors import NodeError
from dicom_node.study import StoredInstance
from worker.instances.bounded_inflating import read_header
from worker.object_kinds import KINDS

_EQUIPMENT = "ContributingEquipmentSequence"
_CLASSES = frozenset(kind.sop_class_uid for kind in KINDS.values())


def own_results(
    instances: Sequence[StoredInstance],
    *,
    spool: Path,
    in_ledger: Callable[[Sequence[str]], Collection[str]],
    devices: Callable[[], Collection[str]],
) -> frozenset[str]:
    """Return the files of those instances that wetread made.

    Args:
        instances: In the spool; those of classes that we never make are not looked at.
        spool: Its root.
        in_ledger: Returns those of some SOP Instance UIDs that are results of the ledger.
        devices: Returns the Device UIDs (0018,1002) of the models that are or were here.
    """
    suspects = [instance for instance in instances if instance.sop_class_uid in _CLASSES]
    if not suspects:
        return frozenset()
    recorded = in_ledger([instance.sop_instance_uid for instance in suspects])
    own = {instance.file for instance in suspects if instance.sop_instance_uid in recorded}
    rest = [instance for instance in suspects if instance.file not in own]
    ours = devices() if rest else ()
    return frozenset(own | {instance.file for instance in rest if not _devices(spool / instance.file).isdisjoint(ours)})


def _devices(file: Path) -> frozenset[str]:
    """Return the Device UIDs of the contributing equipment; none of a file that cannot be parsed."""
    try:
        head = read_header(file, [_EQUIPMENT])
        return frozenset(str(item.get("DeviceUID") or "") for item in head.get(_EQUIPMENT) or ()) - {""}
    except (*PARSE_ERRORS, NodeError):
        return frozenset()
