"""Right requests of the services beside storage, each on its context; a node answers them with success."""

from random import Random

from pydicom.dataset import Dataset

from dicom_node.contexts import INSTANCE_AVAILABILITY, PERFORMED_PROCEDURE_STEP, STORAGE_COMMITMENT
from dicom_node.messages.command_set import N_ACTION_RQ, N_CREATE_RQ
from dicom_node.messages.commitment_messages import WELL_KNOWN_INSTANCE
from tests.faults.wire_bytes import service_rq
from tests.fuzz.wire_grammar import Message, elements_of
from tests.unit.dicom_node.instances import CT, encode


def service_message(chance: Random, study: str, sop_instance: str) -> Message:
    """Return a request for storage commitment of an instance, a step of a study, or a notification of one."""
    return chance.choice((_commitment, _step, _availability))(chance, study, sop_instance)


def _commitment(chance: Random, _study: str, sop_instance: str) -> Message:
    content = Dataset()
    content.TransactionUID = _new_uid(chance)
    content.ReferencedSOPSequence = [_reference(uid) for uid in (sop_instance, _new_uid(chance))]
    command = service_rq(
        N_ACTION_RQ, STORAGE_COMMITMENT, WELL_KNOWN_INSTANCE, message=chance.randint(1, 9), requested=True, action=1
    )
    return Message(elements=elements_of(command), dataset=encode(content), context=9)


def _step(chance: Random, study: str, _sop_instance: str) -> Message:
    content = Dataset()
    content.PerformedProcedureStepStatus = "IN PROGRESS"
    content.ScheduledStepAttributesSequence = [Dataset()]
    content.ScheduledStepAttributesSequence[0].StudyInstanceUID = study
    command = service_rq(N_CREATE_RQ, PERFORMED_PROCEDURE_STEP, _new_uid(chance), message=chance.randint(1, 9))
    return Message(elements=elements_of(command), dataset=encode(content, implicit=True), context=11)


def _availability(chance: Random, study: str, sop_instance: str) -> Message:
    series, content = Dataset(), Dataset()
    series.SeriesInstanceUID = f"{study}.1"
    series.ReferencedSOPSequence = [_reference(sop_instance)]
    series.ReferencedSOPSequence[0].InstanceAvailability = chance.choice(("ONLINE", "NEARLINE", "UNAVAILABLE"))
    content.StudyInstanceUID = study
    content.ReferencedSeriesSequence = [series]
    command = service_rq(N_CREATE_RQ, INSTANCE_AVAILABILITY, _new_uid(chance), message=chance.randint(1, 9))
    return Message(elements=elements_of(command), dataset=encode(content), context=13)


def _new_uid(chance: Random) -> str:
    return f"2.25.{chance.getrandbits(100)}"


def _reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
    return item
