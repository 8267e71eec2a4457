"""How a document names another instance. No more than that, so that the node can do without arrays."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class InstanceReference:
    """An instance that is referred to."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str
