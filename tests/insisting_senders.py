"""Senders that, like a PACS, send again until they have an answer, and remember what was answered with success."""

import hashlib
import random
import threading
import time
from collections.abc import Callable, Iterator

from benchmarks.raw_sender import Instance, NotAccepted, RawAssociation, associated, encode
from dicom_node.spooling.spool_layout import name_of
from tests.unit.dicom_node.instances import dataset
from tests.unit.dicom_node.instances import encode as encode_dataset

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
_SUCCESS = 0x0000
_BETWEEN_TRIES_S = 0.02


def study(seed: int, sender: int, number: int, instances: int) -> Iterator[Instance]:
    """Yield the instances of a small study, the same for the same numbers."""
    chance = random.Random(f"{seed} {sender} {number}")  # noqa: S311  # the same studies in every run
    root = f"1.2.826.{seed}.{sender}.{number}"
    for index in range(instances):
        sop = f"{root}.1.{index}"
        values = dataset(SOPInstanceUID=sop, StudyInstanceUID=root, SeriesInstanceUID=f"{root}.1")
        values.PixelData = chance.randbytes(2 * chance.randrange(500, 60_000))
        values["PixelData"].VR = "OW"
        yield Instance(
            sop_class_uid=CT, sop_instance_uid=sop, transfer_syntax_uid=EXPLICIT, dataset=encode_dataset(values)
        )


class InsistingSender(threading.Thread):
    """Sends one study after the other until it is told to stop; the last one is finished.

    Attributes:
        answered: File in the spool and SHA-256 of the dataset, of each instance that was answered 0000.
        tries: How often an instance was sent, and an association asked for.
        given_up: Set where no answer will come: what is left is not sent.
    """

    def __init__(self, number: int, *, seed: int, port: int, stop: threading.Event, instances: int = 8) -> None:
        """Take which one it is, and the port of the node on this machine."""
        super().__init__(name=f"sender-{number}", daemon=True)
        self._number, self._seed, self._port, self._instances = number, seed, port, instances
        self._stop_after_study = stop
        self.answered: dict[str, str] = {}
        self.tries = 0
        self.given_up = False

    def run(self) -> None:
        """Send."""
        number = 0
        while not self._stop_after_study.is_set():
            number += 1
            left = list(study(self._seed, self._number, number, self._instances))
            while left and not self.given_up:
                self.tries += 1
                try:
                    with associated(self._port, left[0]) as association:
                        self._send(association, left)
                except (OSError, EOFError, NotAccepted):
                    time.sleep(_BETWEEN_TRIES_S)

    def _send(self, association: RawAssociation, left: list[Instance]) -> None:
        while left:
            self.tries += 1
            if association.store(encode(left[0], 1, association.longest_pdu)) != _SUCCESS:
                return
            instance = left.pop(0)
            root, series = instance.sop_instance_uid.rsplit(".", 2)[0], instance.sop_instance_uid.rsplit(".", 1)[0]
            file = f"{name_of(root)}/{name_of(series)}/{name_of(instance.sop_instance_uid)}.dcm"
            self.answered[file] = hashlib.sha256(instance.dataset).hexdigest()


def send_while(
    fault: Callable[[], None], *, faults: int, senders: int, seed: int, port: int
) -> tuple[dict[str, str], int]:
    """Let senders send while faults happen; return what was answered in all, and how many tries that took."""
    stop = threading.Event()
    threads = [InsistingSender(number, seed=seed, port=port, stop=stop) for number in range(senders)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(faults):
            fault()
    except BaseException:
        for thread in threads:
            thread.given_up = True
        raise
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    answered = {file: digest for thread in threads for file, digest in thread.answered.items()}
    return answered, sum(thread.tries for thread in threads)
