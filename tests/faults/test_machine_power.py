"""The machine, row 31: the power fails. What had not been synced by then is discarded, and the node starts again."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.raw_sender import associated, encode
from dicom_node.commitments.commitment_requests import CommitmentRequests
from dicom_node.datasets.part10 import dataset_digest
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool_layout import name_of
from models.testing import write_threshold_model
from tests.faults.a_node import ANode
from tests.faults.bad_data import jobs_of, study_of
from tests.faults.power_cut import PowerCut
from tests.faults.preloaded import preloaded
from tests.insisting_senders import send_while, study
from tests.integration.services_house import believing, modality
from tests.unit.dicom_node.instances import CT
from worker.instances.inputs_digest import digest_of_files
from worker.jobs.job import JobState
from worker.ledger.ledger import Ledger
from worker.testing import write_mr_series

SEED = 20260201
MR = "1.2.840.10008.5.1.4.1.1.4"
CUTS = 2
#: Cuts that cost nothing, in a row, before the test says so.
_MOMENTS = 5


class Machine:
    """A node on a disk that can be cut off."""

    def __init__(self, folder: Path, port: int, **settings: Any) -> None:
        """Prepare it."""
        journal, data = folder / "journal", folder / "node"
        self.node = ANode(
            data,
            port,
            environment=preloaded("journalled_disk", folder, file=journal, under=data),
            processes=2,
            max_associations=64,
            **settings,
        )
        self._cut = PowerCut(data, journal, within="data/spool")

    def lose_power(self) -> int:
        """Cut it off; return how many names the disk lost."""
        self.node.kill()
        return self._cut.happen()

    def recorded(self) -> set[str]:
        """Return the files of all revisions."""
        ledger = Ledger.open(f"sqlite:///{self.node.data}/ledger.sqlite3")
        try:
            folders = [path.name for path in self.node.spool.iterdir() if path.is_dir()]
            return {file for folder in folders for file in ledger.recorded_files(folder)}
        finally:
            ledger.close()

    def assert_kept(self, answered: dict[str, str]) -> None:
        """Each of these instances is in the spool, to the byte."""
        missing = [file for file in answered if not (self.node.spool / file).exists()]
        assert not missing, f"{len(missing)} of {len(answered)} answered instances are gone"
        wrong = [file for file, digest in answered.items() if _digest(self.node.spool / file) != digest]
        assert not wrong, f"{len(wrong)} of {len(answered)} answered instances are not what was sent"


def _digest(path: Path) -> str:
    try:
        return dataset_digest(path)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not what was sent
        return type(error).__name__


def _send(machine: Machine, number: int, instances: int = 4) -> set[str]:
    """Send a study; return its files."""
    files = set()
    sent = list(study(SEED, 99, number, instances))
    with associated(machine.node.peer.port, sent[0]) as association:
        for instance in sent:
            assert association.store(encode(instance, 1, association.longest_pdu)) == 0
            uid = instance.sop_instance_uid
            names = (uid.rsplit(".", 2)[0], uid.rsplit(".", 1)[0], uid)
            files.add("/".join(map(name_of, names)) + ".dcm")
    return files


def test_row_31_power_cuts_under_load_lose_nothing_that_was_answered(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """What was answered 0000 is on the disk to the byte and ends in a revision, whenever the power fails."""
    machine = Machine(tmp_path, free_port(), quiet_time_s=1.0, association_hold_s=1.0)
    chance = random.Random(SEED)  # noqa: S311  # the same moments in every run
    lost = []

    def cut() -> None:
        # On a busy machine nothing may be on its way at that moment: such a cut shows nothing, and is not the test's.
        for _ in range(_MOMENTS):
            time.sleep(chance.uniform(0.3, 0.9))  # the moment is the test
            lost.append(machine.lose_power())
            machine.node.start()
            if lost[-1]:
                return

    with machine.node as node:
        answered, _ = send_while(cut, faults=CUTS, senders=4, seed=SEED, port=node.peer.port)
        assert len(answered) > 10 * CUTS
        assert len(list(filter(None, lost))) == CUTS, f"the cuts cost nothing: {lost}"
        machine.assert_kept(answered)
        wait_for(lambda: set(answered) <= machine.recorded(), what="every answered instance is read", deadline_s=60)
        assert node.stop() == 0
    assert not list(node.spool.rglob("*.part"))


def test_row_31_with_a_sync_for_each_study_complete_studies_are_kept(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """Two studies that were handed over are there to the byte; one that was arriving is what the setting risks."""
    machine = Machine(tmp_path, free_port(), fsync="study", quiet_time_s=0.5, association_hold_s=10.0)
    with machine.node as node:
        complete = _send(machine, 1) | _send(machine, 2)
        wait_for(lambda: complete <= machine.recorded(), what="both are handed over")
        sent = {file: _digest(node.spool / file) for file in complete}
        instance = next(study(SEED, 99, 3, 1))
        with associated(node.peer.port, instance) as association:
            assert association.store(encode(instance, 1, association.longest_pdu)) == 0
            assert machine.lose_power() > 0, "the study that was arriving was synced already"
        machine.assert_kept(sent)
        node.start()
        assert complete <= machine.recorded()
        assert _send(machine, 3, 2)


def test_row_31_what_was_committed_is_kept_whatever_the_setting_says(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """Storage commitment syncs what it promises, and that it did, though nothing else is ever synced."""
    peers = [believing("MODALITY", free_port())]
    machine = Machine(tmp_path, free_port(), fsync="off", quiet_time_s=600.0, association_hold_s=600.0, peers=peers)
    with machine.node as node:
        committed = {file: _digest(node.spool / file) for file in _send(machine, 1, 6)}
        _send(machine, 2)
        references = [(CT, instance.sop_instance_uid) for instance in study(SEED, 99, 1, 6)]
        # Refused, so that the request stays open.
        with modality(node, takes_with=0x0110) as asking:
            assert asking.ask("1.2.3.1", references) == 0
            wait_for(lambda: asking.reports, what="the report", deadline_s=60)
        assert asking.reports[0].event_type == 1
        assert machine.lose_power() > 0, "what nobody was promised was synced too"
        machine.assert_kept(committed)
        assert {file for file in committed if file in _held(node)} == set(committed)
        assert len(CommitmentRequests(node.spool).names()) == 1
        node.start()


def test_row_31_what_was_read_of_a_damaged_file_is_read_again_when_its_sender_sends_it_again(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """Under the name that the ledger knows; what was read while the file was whole stays, and there is no other job."""
    node = ANode(tmp_path / "node", free_port(), quiet_time_s=0.5)
    write_threshold_model(node.data / "models", sop_classes=[MR])
    studies = [write_mr_series(tmp_path / name, seed=seed) for seed, name in enumerate(("failed", "read", "wrong"))]
    with node:
        for files in studies:
            node.send(*files)
            wait_for(lambda files=files: node.completions(study_of(files)) == [12], what="it is recorded")
        ledger = Ledger.open(node.ledger_url)
        for files in studies:
            claim = ledger.claim(["cpu"], worker="w", lease_s=60)
            assert claim is not None
            assert claim.study_instance_uid == study_of(files)
            paths = [node.spool / file for file in claim.files]
            digest = digest_of_files(paths)
            with paths[3].open("r+b") as file:
                file.truncate(paths[3].stat().st_size - 100)
            if files is studies[0]:
                ledger.fail(claim, reason="cut", max_attempts=1, retry_delay_s=1, permanent=True)
                continue
            made_of = digest if files is studies[1] else digest_of_files(paths)
            ledger.finish(claim, results=[], destinations={}, runtime="r", inputs_digest=made_of, recipe_digest="c")
        ledger.close()
        assert {outcome.status for files in studies for outcome in node.send(*files)} == {0}
        expected = [
            [JobState.SUPERSEDED, JobState.QUEUED],
            [JobState.READ],
            [JobState.READ, JobState.QUEUED],
        ]

        def states() -> list[list[JobState]]:
            return [[job.state for job in jobs_of(node, study_of(files))] for files in studies]

        wait_for(lambda: states() == expected, what="what met a damaged file waits to be read")
        aside = node.spool / "quarantine"
        wait_for(lambda: len(list(aside.glob("*.mended.dcm"))) == len(studies), what="the ledger knows of each")
        assert states() == expected


def _held(node: ANode) -> set[str]:
    held = HeldInstances(node.spool)
    return {file for folder in node.spool.iterdir() for file in held.of_study(folder.name)}


def test_row_31_without_any_sync_nothing_half_written_is_adopted(
    tmp_path: Path, free_port: Callable[[], int], wait_for: Callable[..., None]
) -> None:
    """Names that outlived their bytes: what is cut short goes to quarantine, what is whole to the ledger."""
    port = free_port()
    machine = Machine(tmp_path, port, fsync="off", quiet_time_s=600.0, association_hold_s=600.0)
    with machine.node as node:
        files = sorted(_send(machine, 1, 6))
        node.kill()
    for number, file in enumerate(files[:4]):
        path = node.spool / file
        with path.open("r+b") as part:
            part.truncate((0, 100, path.stat().st_size // 2, path.stat().st_size - 1)[number])
    (node.spool / "4711-1.part").write_bytes(b"half")
    with ANode(node.folder, port, fsync="off", processes=2):
        wait_for(lambda: machine.recorded() == set(files[4:]), what="what is whole is read")
        assert {path.name for path in (node.spool / "quarantine").iterdir()} == {
            file.replace("/", ".") for file in files[:4]
        }
        assert not list(node.spool.rglob("*.part"))
