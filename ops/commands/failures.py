"""Errors that are told in one message; everything else is a defect and shows its traceback."""

from dicom_node.errors import NodeError
from models.errors import ModelError
from ops.dashboard.serve import PageAway
from ops.settings import SettingsError
from ops.supervisor import PartFailed
from worker.errors import WorkerError

OURS = (NodeError, ModelError, WorkerError, SettingsError, PartFailed, PageAway)
