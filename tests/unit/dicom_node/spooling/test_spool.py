"""Where instances are kept."""

import errno
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicom_node.contexts import IMPLEMENTATION_CLASS_UID, PRIVATE_INFORMATION_CREATOR_UID
from dicom_node.datasets.part10 import dataset_digest, read_meta
from dicom_node.datasets.wholeness import Again
from dicom_node.errors import (
    HeadUnreadable,
    InvalidUid,
    Mismatch,
    MissingUid,
    SpoolFailed,
    SpoolFull,
    SpoolUnfit,
    StoreRefused,
)
from dicom_node.spooling.disk import HOST, Part
from dicom_node.spooling.held_instances import HeldInstances
from dicom_node.spooling.spool import Spool
from dicom_node.spooling.spool_layout import name_of
from dicom_node.study import Arrival, Requested
from tests.unit.dicom_node.instances import CT, SERIES, SOP, STUDY, dataset, encode, incoming


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool."""
    return Spool(tmp_path / "spool")


def _files(spool: Spool) -> list[str]:
    return sorted(path.relative_to(spool.root).as_posix() for path in spool.root.rglob("*") if path.is_file())


def test_an_instance_lies_under_hashes_of_its_uids(spool: Spool) -> None:
    """The path is made of hashes alone, and the record says what arrived from whom."""
    stored = spool.store(*incoming())
    assert stored.file == f"{name_of(STUDY)}/{name_of(SERIES)}/{name_of(SOP)}.dcm"
    assert _files(spool) == [stored.file]
    assert (stored.arrival, stored.own, stored.calling_ae_title) == (Arrival.NEW, False, "SENDER")
    assert stored.size_bytes == (spool.root / stored.file).stat().st_size


def test_the_dataset_is_kept_to_the_byte(spool: Spool) -> None:
    """After the file meta information the file is exactly what came over the wire, nonsense at its end included."""
    data = encode(dataset()) + b"\xfe\xff nonsense"
    path = spool.root / spool.store(*incoming(data)).file
    assert path.read_bytes()[read_meta(path).dataset_start :] == data


def test_the_file_meta_is_ours(spool: Spool) -> None:
    """The meta information names the instance, us as the writer, and who sent it to whom (PS3.10 7.1)."""
    path = spool.root / spool.store(*incoming()).file
    meta = pydicom.dcmread(path).file_meta
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (CT, SOP)
    assert meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert (meta.SourceApplicationEntityTitle, meta.SendingApplicationEntityTitle) == ("SENDER", "SENDER")
    assert meta.ReceivingApplicationEntityTitle == "WETREAD"
    assert meta.FileMetaInformationGroupLength == read_meta(path).dataset_start - 144


@pytest.mark.parametrize("requested", Requested)
def test_what_was_asked_survives_a_crash(spool: Spool, requested: Requested) -> None:
    """A request's priority, and which AE title of ours it called, are in the file; the usual priority adds nothing."""
    stored = spool.store(*incoming(requested=requested, called_ae_title="WETREAD_STAT"))
    assert (stored.requested, stored.called_ae_title) == (requested, "WETREAD_STAT")
    adopted = spool.describe(stored.file)
    assert adopted is not None
    assert (adopted.requested, adopted.called_ae_title) == (requested, "WETREAD_STAT")
    meta = pydicom.dcmread(spool.root / stored.file).file_meta
    assert ("PrivateInformation" in meta) == (requested is not Requested.MEDIUM)


def test_somebody_elses_private_information_says_nothing(spool: Spool) -> None:
    """Only what wetread wrote is read as a priority."""
    path = spool.root / spool.store(*incoming(requested=Requested.HIGH)).file
    data = path.read_bytes()
    assert PRIVATE_INFORMATION_CREATOR_UID.encode() in data
    path.write_bytes(
        data.replace(PRIVATE_INFORMATION_CREATOR_UID.encode(), b"2" * len(PRIVATE_INFORMATION_CREATOR_UID))
    )
    assert read_meta(path).requested is Requested.MEDIUM


def test_the_same_again_writes_nothing(spool: Spool) -> None:
    """The same UID with the same bytes is SAME, and there is still one file."""
    first = spool.store(*incoming())
    again = spool.store(*incoming(calling_ae_title="OTHER"))
    assert (again.arrival, again.file) == (Arrival.SAME, first.file)
    assert _files(spool) == [first.file]


def test_other_bytes_are_kept_beside_the_first(spool: Spool) -> None:
    """The same UID with other bytes is a VARIANT in a second file; that variant again is SAME."""
    first = spool.store(*incoming())
    other = incoming(dataset(PatientID="changed"))
    variant = spool.store(*other)
    assert variant.arrival is Arrival.VARIANT
    assert _files(spool) == sorted([first.file, variant.file])
    assert variant.file.startswith(first.file.removesuffix(".dcm") + "~")
    assert spool.store(*other).arrival is Arrival.SAME


def test_a_version_that_its_sender_goes_back_to_is_the_latest(spool: Spool) -> None:
    """As where a correction was wrong: what came in between is not what the sender has now. Names are used up late."""
    first, other = incoming(), incoming(dataset(PatientID="changed"))
    came = [spool.store(*one) for one in (first, other, first, first, other, other, first)]
    new, variant, same = Arrival.NEW, Arrival.VARIANT, Arrival.SAME
    assert [one.arrival for one in came] == [new, variant, variant, same, variant, same, variant]
    assert len({one.file for one in came}) == 5
    latest = max(_files(spool), key=lambda file: (spool.root / file).stat().st_mtime_ns)
    assert latest == came[-1].file
    assert dataset_digest(spool.root / latest) == dataset_digest(spool.root / came[0].file)
    assert [spool.store(*one).arrival for one in (first, other)] == [same, same]
    latest = max(_files(spool), key=lambda file: (spool.root / file).stat().st_mtime_ns)
    assert dataset_digest(spool.root / latest) == dataset_digest(spool.root / came[1].file)


def test_a_version_is_the_latest_also_where_the_clock_was_set_back(spool: Spool) -> None:
    """An hour, between the two."""
    first = spool.store(*incoming())
    ahead = time.time() + 3600
    os.utime(spool.root / first.file, (ahead, ahead))
    again = spool.store(*incoming(dataset(PatientID="changed")))
    assert (spool.root / again.file).stat().st_mtime > ahead - 1
    assert max(_files(spool), key=lambda file: (spool.root / file).stat().st_mtime_ns) == again.file


@pytest.mark.parametrize("wrong", ["1.2/../../3", "../evil", "1.2\0.3", "1" * 65, ".", "", "1..2", "1.2.", "abc"])
@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_what_is_no_uid_is_refused_and_nothing_written(spool: Spool, keyword: str, wrong: str) -> None:
    """A UID that is none is refused with Cxxx and leaves no trace, whichever of the three it is."""
    request = incoming(dataset(**{keyword: wrong}))
    if keyword == "SOPInstanceUID":
        request = incoming(dataset(SOPInstanceUID=wrong), sop_instance_uid=wrong)
    with pytest.raises(InvalidUid) as refusal:
        spool.store(*request)
    assert refusal.value.status >> 12 == 0xC
    assert list(spool.root.rglob("*")) == []


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_missing_uid_goes_to_quarantine(spool: Spool, keyword: str) -> None:
    """An instance without Study or Series Instance UID is refused with Cxxx and kept for the admin."""
    request = incoming(dataset(**{keyword: None}))
    for _ in range(2):  # its sender will try again: still one file
        with pytest.raises(MissingUid) as refusal:
            spool.store(*request)
    assert refusal.value.status >> 12 == 0xC
    (kept,) = _files(spool)
    assert kept.startswith("quarantine/")
    assert (spool.root / kept).read_bytes().endswith(request[1])
    assert spool.study_folders() == []


@pytest.mark.parametrize("data", [b"this is not DICOM at all", encode(dataset())[:20], b""])
def test_unreadable_datasets_are_refused(spool: Spool, data: bytes) -> None:
    """What is not DICOM, or ends before its UIDs, is refused by name and no study appears."""
    with pytest.raises((HeadUnreadable, Mismatch)):
        spool.store(*incoming(data))
    assert spool.study_folders() == []


def test_another_instance_than_announced_is_a_mismatch(spool: Spool) -> None:
    """An Affected SOP Instance or Class UID that the dataset does not have is refused with A900."""
    for request in (incoming(sop_instance_uid="1.2.3"), incoming(sop_class_uid="1.2.840.10008.5.1.4.1.1.4")):
        with pytest.raises(Mismatch) as refusal:
            spool.store(*request)
        assert refusal.value.status == 0xA900
    assert _files(spool) == []


def test_truncated_after_the_head_is_stored_as_received(spool: Spool) -> None:
    """An instance that breaks off after its UIDs is kept as it came: what reads it later will say so."""
    data = (
        encode(dataset(PatientComments="x" * 100, Rows=512, PixelData=None))
        + b"\xe0\x7f\x10\x00OW\0\0\xff\xff\xff\x0fabc"
    )
    stored = spool.store(*incoming(data))
    assert (spool.root / stored.file).read_bytes().endswith(data)


def test_a_full_disk_refuses_until_there_is_room(tmp_path: Path) -> None:
    """Below the low watermark the answer is A700 and nothing is written; with room it is taken again."""
    with pytest.raises(SpoolFull) as refusal:
        Spool(tmp_path / "spool", min_free_bytes=1 << 60).store(*incoming())
    assert refusal.value.status == 0xA700
    assert Spool(tmp_path / "spool").store(*incoming()).arrival is Arrival.NEW


@pytest.mark.parametrize("broken", ["write", "fsync"])
def test_a_failing_disk_refuses_and_recovers(spool: Spool, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    """EIO on write or fsync is A700, leaves no partial, and refuses until the disk takes a test file again."""

    def fail(*_args: Any) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, broken, fail)
        for _ in range(2):
            with pytest.raises(SpoolFailed) as refusal:
                spool.store(*incoming())
            assert refusal.value.status == 0xA700
    assert _files(spool) == []
    assert spool.store(*incoming()).arrival is Arrival.NEW


def test_everything_is_synced_before_it_returns(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, its folder and the parent of every new folder are synced, the file before it gets its name."""
    calls: list[str] = []
    fsync, link = os.fsync, os.link

    def watched_fsync(descriptor: int) -> None:
        calls.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def watched_link(source: Path, target: Path) -> None:
        calls.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "link", watched_link)
    spool.store(*incoming())
    part = next(name for name in calls if name.endswith(".part"))
    assert calls == [part, "spool", name_of(STUDY), "link", name_of(SERIES)]


def test_the_sweep_yields_what_is_not_recorded(spool: Spool) -> None:
    """After a crash the sweep tells every kept instance that no revision lists, as it had been told when it came."""
    first = spool.store(*incoming())
    second = spool.store(*incoming(dataset(SOPInstanceUID="1.2.3.4"), sop_instance_uid="1.2.3.4"))
    found = {item.file: item for item in Spool(spool.root).sweep(lambda _folder: frozenset({first.file}))}
    assert set(found) == {second.file}
    adopted = found[second.file]
    assert (adopted.study_instance_uid, adopted.series_instance_uid) == (STUDY, SERIES)
    assert (adopted.sop_instance_uid, adopted.calling_ae_title) == ("1.2.3.4", "SENDER")
    assert abs((adopted.received_at - second.received_at).total_seconds()) < 60


def test_the_sweep_puts_unreadable_files_aside(spool: Spool) -> None:
    """A file that cannot be read, or lies under UIDs that are not its own, goes to quarantine; the others are told."""
    stored = spool.store(*incoming())
    folder = (spool.root / stored.file).parent
    (folder / f"{'0' * 32}.dcm").write_bytes(b"garbage")
    elsewhere = spool.root / ("1" * 32) / ("2" * 32) / f"{'3' * 32}.dcm"
    elsewhere.parent.mkdir(parents=True)
    elsewhere.write_bytes((spool.root / stored.file).read_bytes())
    assert [item.file for item in spool.sweep(lambda _folder: frozenset())] == [stored.file]
    assert len(list((spool.root / "quarantine").iterdir())) == 2


def test_partials_are_removed(spool: Spool) -> None:
    """Half-written files of a crash disappear and whole ones stay."""
    stored = spool.store(*incoming())
    (spool.root / stored.file).with_name("1-1.part").write_bytes(b"half")
    assert spool.remove_partials() == 1
    assert _files(spool) == [stored.file]


def test_what_another_machine_is_writing_stays(spool: Spool) -> None:
    """Machines that share a spool start when they like; what nobody has written to for a day is removed."""
    theirs, forsaken = (spool.root / f"7-{number}@elsewhere.part" for number in (1, 2))
    for partial in (theirs, forsaken):
        partial.write_bytes(b"half")
    os.utime(forsaken, (0, 0))
    assert spool.remove_partials() == 1
    assert theirs.exists()


def test_a_digest_is_of_the_dataset_alone(spool: Spool) -> None:
    """Who sent an instance does not change the digest of its dataset."""
    first = spool.store(*incoming()).file
    spool_two = Spool(spool.root.parent / "two")
    second = spool_two.store(*incoming(calling_ae_title="OTHER")).file
    assert dataset_digest(spool.root / first) == dataset_digest(spool_two.root / second)


def test_errors_quote_no_value(spool: Spool) -> None:
    """A UID that holds a name is not repeated in the error that refuses it."""
    with pytest.raises(StoreRefused) as refusal:
        spool.store(*incoming(dataset(StudyInstanceUID="Canary^Bird")))
    assert "Canary" not in str(refusal.value)


def test_a_folder_that_was_removed_is_made_again(spool: Spool) -> None:
    """When a study's folder is gone, as after retention, its next instance is kept like the first."""
    first = spool.store(*incoming())
    shutil.rmtree(spool.root / name_of(STUDY))
    assert spool.store(*incoming()).file == first.file
    assert _files(spool) == [first.file]


def test_nothing_is_left_of_what_was_not_kept(spool: Spool) -> None:
    """An instance that was begun and discarded leaves no file, and one that is kept leaves only its own."""
    origin, data = incoming()
    arriving = spool.begin(origin)
    arriving.write(data[:100])
    assert len(_files(spool)) == 1
    arriving.discard()
    assert _files(spool) == []
    kept = spool.store(origin, data)
    assert _files(spool) == [kept.file]


@pytest.mark.parametrize("fsync", ["study", "off"])
def test_without_a_sync_for_each_instance_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Any
) -> None:
    """The system decides when bytes reach the disk; a study is synced whole where that was chosen."""
    spool = Spool(tmp_path / "spool", fsync=fsync)
    synced: list[str] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    stored = spool.store(*incoming())
    assert not synced
    spool.sync_study(name_of(STUDY))
    places = {spool.root, spool.root / name_of(STUDY), spool.root / name_of(STUDY) / name_of(SERIES)}
    wanted = {str(path) for path in (*places, spool.root / stored.file)} if fsync == "study" else set()
    assert set(synced) == wanted


def test_what_was_cut_before_it_was_synced_is_not_adopted(tmp_path: Path) -> None:
    """A power cut may leave a part of a file under its name; it goes to quarantine, and whole ones are adopted."""
    spool = Spool(tmp_path / "spool", fsync="study")
    whole = spool.store(*incoming())
    cut = spool.store(*incoming(dataset(SOPInstanceUID="1.2.3.1.1.2"), sop_instance_uid="1.2.3.1.1.2"))
    path = spool.root / cut.file
    path.write_bytes(path.read_bytes()[:-3])
    assert [instance.file for instance in spool.sweep(lambda _: frozenset())] == [whole.file]
    assert [file for file in _files(spool) if file.startswith("quarantine/")]


def test_what_one_process_left_half_written_is_removed(spool: Spool) -> None:
    """And nothing of those that still write."""
    others = [f"47112-1@{HOST}.part", "4711-1@elsewhere.part", f"815-4711@{HOST}.part"]
    for name in (f"4711-1@{HOST}.part", f"4711-22@{HOST}.part", *others):
        (spool.root / name).write_bytes(b"half")
    assert spool.remove_partials(of=4711) == 2
    assert _files(spool) == sorted(others)


def test_folders_that_lately_changed(spool: Spool) -> None:
    """A file named in a series of an old study makes the study one of them."""
    folder = spool.store(*incoming()).file.split("/", maxsplit=1)[0]
    other = spool.store(*incoming(dataset(StudyInstanceUID="1.2.9"))).file.split("/", maxsplit=1)[0]
    for path in (spool.root / other, *(spool.root / other).iterdir(), spool.root / folder):
        os.utime(path, (1e9, 1e9))
    assert spool.study_folders(changed_within_s=3600) == [folder]
    assert spool.study_folders() == sorted([folder, other])


#: What is cut off at its end is none of the UIDs.
LONG = dataset(ImageComments="some words")


def _damages(whole: bytes) -> dict[str, bytes]:
    return {
        "nothing": b"",
        "zeros": bytes(len(whole)),
        "cut in the preamble": whole[:100],
        "cut in the meta information": whole[:200],
        "cut where the dataset begins": whole[: whole.index(b"\x08\x00")],
        "cut in the dataset": whole[:-3],
        # Of the words, eight bytes before them: their tag, VR and length.
        "cut between two elements": whole[: whole.rfind(b"some words") - 8],
    }


@pytest.mark.parametrize("damage", list(_damages(bytes(400) + b"\x08\x00")))
@pytest.mark.parametrize("held", [False, True])
def test_what_comes_again_takes_the_place_of_a_damaged_file(spool: Spool, damage: str, held: bool) -> None:  # noqa: FBT001
    """It has the name again, promised or not; the damaged one is in quarantine, and the disk is trusted as before."""
    stored = spool.store(*incoming(LONG))
    path = spool.root / stored.file
    whole = path.read_bytes()
    if held:
        HeldInstances(spool.root).hold([stored.file], still_there=lambda _: True)
    path.write_bytes(_damages(whole)[damage])
    again = spool.store(*incoming(LONG))
    assert (again.file, again.arrival) == (stored.file, Arrival.NEW)
    assert path.read_bytes() == whole
    assert spool.files(name_of(STUDY)) == [stored.file]
    assert [file.read_bytes() for file in spool.quarantined()] == [_damages(whole)[damage]]
    assert spool.trusted()
    assert not list(spool.root.rglob("*.part"))
    assert HeldInstances(spool.root).of_study(name_of(STUDY)) == ({stored.file} if held else frozenset())
    assert spool.store(*incoming(LONG)).arrival is Arrival.SAME


def test_of_two_that_are_cut_short_nobody_knows_which_is_worse(spool: Spool) -> None:
    """A sender's own may be cut short as well; then both are kept, as any other versions."""
    data = encode(LONG)
    first = spool.store(incoming()[0], data[:-1])
    second = spool.store(incoming()[0], data[:-3])
    assert (first.arrival, second.arrival) == (Arrival.NEW, Arrival.VARIANT)
    assert spool.quarantined() == []


@pytest.mark.parametrize("implicit", [False, True])
def test_what_is_added_behind_the_pixels_is_another_version(spool: Spool, implicit: bool) -> None:  # noqa: FBT001
    """A signature, say; and so is what goes on otherwise, however much of it is alike."""
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    made = dataset(Rows=1, PixelData=b"12")
    made["PixelData"].VR = "OW"
    first = encode(made, implicit=implicit)
    made.DataSetTrailingPadding = b"1234"
    origin = incoming(transfer_syntax_uid=str(syntax))[0]
    assert spool.store(origin, first).arrival is Arrival.NEW
    assert spool.store(origin, encode(made, implicit=implicit)).arrival is Arrival.VARIANT
    other = dataset(Rows=2, PixelData=b"1234", ImageComments="more")
    other["PixelData"].VR = "OW"
    assert spool.store(origin, encode(other, implicit=implicit)).arrival is Arrival.VARIANT
    assert spool.quarantined() == []


def test_a_repair_that_another_receiver_has_made_is_not_made_again(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was slower has the same instance, and what the faster one has put there stays."""
    stored = spool.store(*incoming())
    path = spool.root / stored.file
    whole = path.read_bytes()
    path.write_bytes(b"")
    other, real = Spool(spool.root), spool.replaced
    faster: list[Arrival] = []

    def late(file: str, part: Part, again: Again) -> bool:
        faster.append(other.store(*incoming()).arrival)
        return real(file, part, again)

    monkeypatch.setattr(spool, "replaced", late)
    assert spool.store(*incoming()).arrival is Arrival.SAME
    assert faster == [Arrival.NEW]
    assert path.read_bytes() == whole
    assert [file.read_bytes() for file in spool.quarantined()] == [b""]


def test_a_file_that_was_damaged_and_is_repaired_meanwhile_is_not_put_aside(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks through the spool after a crash does it while its senders send again."""
    stored = spool.store(*incoming())
    path = spool.root / stored.file
    path.write_bytes(b"")
    real = HeldInstances.removing_from

    def late(held: HeldInstances, folder: str) -> Any:
        monkeypatch.setattr(HeldInstances, "removing_from", real)
        Spool(spool.root).store(*incoming())
        return real(held, folder)

    monkeypatch.setattr(HeldInstances, "removing_from", late)
    described = spool.describe(stored.file)
    assert described is not None
    assert described.file == stored.file
    assert path.is_file()


@pytest.mark.parametrize("crash", ["hardlink_to", "rename"])
def test_a_crash_in_the_middle_of_a_repair_leaves_a_file_under_the_name(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, crash: str
) -> None:
    """The damaged one or the whole one; its sender has had no answer, sends once more, and then it is whole."""
    stored = spool.store(*incoming())
    path = spool.root / stored.file
    whole = path.read_bytes()
    path.write_bytes(b"")

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, crash, dies)
        with pytest.raises(KeyboardInterrupt):
            spool.store(*incoming())
    assert path.read_bytes() == b""
    assert spool.mended([stored.file]) == frozenset()
    assert spool.store(*incoming()).arrival is Arrival.NEW
    assert path.read_bytes() == whole
    assert spool.mended([stored.file]) == {stored.file}


def test_what_was_cut_is_not_adopted_whatever_the_settings_say_by_now(tmp_path: Path) -> None:
    """A site may change them after the power cut that taught it to. Once all was looked through, it is over."""

    def cut(spool: Spool) -> str:
        file = spool.store(*incoming(LONG)).file
        (spool.root / file).write_bytes((spool.root / file).read_bytes()[:-3])
        return file

    spool = Spool(tmp_path / "spool", fsync="off")
    cut(spool)
    started = Spool(spool.root)
    assert list(started.sweep(lambda _: frozenset())) == []
    started.all_looked_through()
    # As its sender has sent it, for all that is known.
    file = cut(started)
    assert [found.file for found in Spool(spool.root).sweep(lambda _: frozenset())] == [file]


def test_while_instances_are_not_synced_the_spool_says_so(tmp_path: Path) -> None:
    """Looking through it once does not end that."""
    spool = Spool(tmp_path / "spool", fsync="study")
    spool.all_looked_through()
    cut = spool.root / spool.store(*incoming(LONG)).file
    cut.write_bytes(cut.read_bytes()[:-3])
    assert list(Spool(spool.root).sweep(lambda _: frozenset())) == []


@pytest.mark.parametrize("lacking", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_hard_links_is_told_as_that(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, lacking: int
) -> None:
    """Before anybody stores: what happened, why that matters, and where the data directory may lie. Nothing is left."""

    def link(*_: object) -> None:
        raise OSError(lacking, os.strerror(lacking))

    spool.require_fitness()
    monkeypatch.setattr(os, "link", link)
    with pytest.raises(SpoolUnfit, match="does not take hard links") as told:
        spool.require_fitness()
    assert str(spool.root) in str(told.value)
    assert "local disk" in str(told.value)
    assert _files(spool) == []


@pytest.mark.parametrize("call", ["open", "link"])
def test_a_disk_that_is_full_or_fails_is_no_unfit_one(spool: Spool, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The node starts, refuses instances, and takes them again once there is room."""

    def fails(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fails)
    spool.require_fitness()


def test_a_file_system_that_syncs_no_folder_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that a power cut forgets is an instance that was answered for, and lost."""

    def fsync(_: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(SpoolUnfit, match="does not take syncing a folder"):
        Spool(tmp_path / "spool")
