"""A real modality worklist, DCMTK's wlmscpfs, with orders in its folder."""

import subprocess
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from tests.dcmtk import dcmtk


class WorklistServer:
    """Answers under one AE title."""

    ae_title = "RIS"

    def __init__(self, folder: Path, port: int) -> None:
        """Make its folder; nothing is started yet."""
        self.port = port
        self._folder = folder
        self._orders = folder / self.ae_title
        self._orders.mkdir(parents=True)
        (self._orders / "lockfile").touch()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                # It would refuse orders without everything that a scanner needs.
                [dcmtk("wlmscpfs"), "-v", "--disable-file-reject", "-dfp", str(self._folder), str(self.port)],
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def order(self, accession_number: str, patient_id: str, priority: str) -> None:
        """Add an order."""
        step = Dataset()
        step.Modality = "MR"
        step.ScheduledStationAETitle = "MR1"
        step.ScheduledProcedureStepStartDate = "20240102"
        step.ScheduledProcedureStepStartTime = "101112"
        order = Dataset()
        order.SpecificCharacterSet = "ISO_IR 192"
        order.AccessionNumber = accession_number
        order.PatientID = patient_id
        order.PatientName = "Test^Head"
        order.RequestedProcedureID = "1"
        order.RequestedProcedurePriority = priority
        order.ScheduledProcedureStepSequence = [step]
        order.file_meta = FileMetaDataset()
        order.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        order.file_meta.MediaStorageSOPClassUID = "1.2.276.0.7230010.3.1.0.1"
        order.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
        file = self._orders / f"{len(list(self._orders.iterdir()))}.wl"
        order.save_as(file, enforce_file_format=True)
