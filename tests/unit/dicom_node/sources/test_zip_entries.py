"""Zip files from outside: what is unpacked, under which names, and where it ends."""

import errno
import os
import struct
import zipfile
from pathlib import Path

import pytest

from dicom_node.errors import MediaUnreadable
from dicom_node.sources.sources import Found, sources_of
from dicom_node.sources.zip_entries import ZipLimits, ZipOfDicom
from tests.unit.dicom_node.instances import dataset, write_file


@pytest.fixture
def image(tmp_path: Path) -> bytes:
    """A DICOM file's bytes."""
    return write_file(tmp_path / "image.dcm").read_bytes()


def pack(file: Path, *entries: tuple[str, bytes]) -> Path:
    """Write a zip file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in entries:
            packed.writestr(name, content)
    return file


def test_entries_are_unpacked_under_names_of_ours(tmp_path: Path, image: bytes) -> None:
    """Names that climb, are absolute, or end in a device are never used as paths."""
    names = ["../../evil.dcm", "/etc/evil.dcm", "a\\..\\..\\evil", "ok/a.dcm"]
    packed = pack(tmp_path / "a.zip", *((name, image) for name in names))
    (tmp_path / "out").mkdir()
    before = set(
        tmp_path.parent.rglob("*")
    )  # a list would be long: other tests of this process have their folders there
    entries = list(ZipOfDicom(packed).unpacked(tmp_path / "out"))
    assert [entry.file for entry in entries] == [tmp_path / "out" / f"{number}.dcm" for number in range(4)]
    assert {entry.file.read_bytes() for entry in entries if entry.file} == {image}
    assert {path for path in tmp_path.parent.rglob("*") if path not in before} == {entry.file for entry in entries}


def test_what_is_no_dicom_is_not_unpacked(tmp_path: Path, image: bytes) -> None:
    """Of a text, an empty entry and a zip file inside nothing is written; the last may hold images, and is told."""
    inner = pack(tmp_path / "inner.zip", ("a.dcm", image)).read_bytes()
    packed = pack(tmp_path / "a.zip", ("a.txt", b"hello"), ("viewer.jar", inner), ("empty", b""), ("Inner.ZIP", inner))
    (tmp_path / "out").mkdir()
    entries = list(ZipOfDicom(packed).unpacked(tmp_path / "out"))
    assert [(entry.file, entry.damaged) for entry in entries] == [(None, False)] * 3 + [(None, True)]
    assert "unpack it" in entries[-1].why
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bomb_ends_at_its_limit(tmp_path: Path, image: bytes) -> None:
    """An entry that inflates beyond what one, or all, may have is told, and leaves no file."""
    bomb = pack(tmp_path / "a.zip", ("bomb", bytes(128) + b"DICM" + bytes(30 << 20)), ("b", image), ("c", image))
    (tmp_path / "out").mkdir()
    one = list(ZipOfDicom(bomb, ZipLimits(entry_bytes=1 << 20)).unpacked(tmp_path / "out"))
    assert [(entry.file is None, entry.damaged) for entry in one] == [(True, True), (False, False), (False, False)]
    assert "unpacks to more than is allowed" in one[0].why
    for entry in one[1:]:
        assert entry.file
        entry.file.unlink()
    everything = list(ZipOfDicom(bomb, ZipLimits(all_bytes=len(image) + 10)).unpacked(tmp_path / "out"))
    assert [entry.file is None for entry in everything] == [True, False, True]


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    """Their number is known before any is unpacked."""
    packed = pack(tmp_path / "a.zip", *((str(number), b"") for number in range(4)))
    with pytest.raises(MediaUnreadable, match="more than 3 entries"):
        ZipOfDicom(packed, ZipLimits(entries=3))


def test_a_list_of_entries_beyond_reason_is_not_read(tmp_path: Path) -> None:
    """A list of 20 MiB is refused before it is read: each of its bytes would cost ten of memory."""
    length = 20 << 20
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, length, 0, 0)
    (tmp_path / "a.zip").write_bytes(b"PK\x01\x02" + bytes(length - 4) + end)
    with pytest.raises(MediaUnreadable, match="list of entries is too long"):
        ZipOfDicom(tmp_path / "a.zip")


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"PK\x03\x04" + bytes(100), b""])
def test_what_is_no_zip_file_is_told(tmp_path: Path, content: bytes) -> None:
    """A file that only begins as one, or is empty, is MediaUnreadable."""
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(MediaUnreadable, match="no zip file"):
        ZipOfDicom(tmp_path / "a.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_zipfile_unpacks_without_a_bound_is_not_unpacked(tmp_path: Path, image: bytes, method: int) -> None:
    """Of such an entry the first byte may cost gigabytes; it is told by name."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as packed:
        packed.writestr("a", image)
    (tmp_path / "out").mkdir()
    (entry,) = ZipOfDicom(tmp_path / "a.zip").unpacked(tmp_path / "out")
    assert (entry.file, entry.damaged) == (None, True)
    assert "not deflated" in entry.why


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_damaged_entries_cost_themselves_only(tmp_path: Path, image: bytes, method: int) -> None:
    """A byte that was flipped in the middle of an entry is found, whatever the packing; the next one is unpacked."""
    long = image + bytes(range(256)) * 400
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as packed:
        packed.writestr("a", long)
        packed.writestr("b", image)
        middle = packed.infolist()[0].header_offset + packed.infolist()[0].compress_size // 2
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[middle] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    (tmp_path / "out").mkdir()
    entries = list(ZipOfDicom(tmp_path / "a.zip").unpacked(tmp_path / "out"))
    assert [(entry.file is None, entry.damaged) for entry in entries] == [(True, True), (False, False)]


def test_an_encrypted_entry_is_damage_by_name(tmp_path: Path, image: bytes) -> None:
    """Nobody is asked for a password."""
    packed = pack(tmp_path / "a.zip", ("a", image))
    content = bytearray(packed.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 0x01
    packed.write_bytes(content)
    (tmp_path / "out").mkdir()
    (entry,) = ZipOfDicom(packed).unpacked(tmp_path / "out")
    assert entry.damaged
    assert "encrypted" in entry.why


def test_a_damaged_zip_file_is_one_failure(tmp_path: Path) -> None:
    """As a source it is one file that cannot be read, not an error that ends everything."""
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04")
    (source,) = sources_of([tmp_path / "a.zip"])
    assert [(item.damaged, item.meta) for item in source.files(tmp_path)] == [(True, None)]


def test_copies_are_marked_as_passing(tmp_path: Path, image: bytes) -> None:
    """Whoever sends them may remove them, and no others; the name says where it lay."""
    packed = pack(tmp_path / "a.zip", ("in/a.dcm", image))
    plain = write_file(tmp_path / "b.dcm", dataset())
    (tmp_path / "out").mkdir()
    found: list[Found] = [one for source in sources_of([packed, plain]) for one in source.files(tmp_path / "out")]
    assert [(item.passing, item.name) for item in found] == [(True, Path(f"{packed}:in/a.dcm")), (False, plain)]


@pytest.mark.parametrize("offset", [10**6, 2**63 - 1, 2**63, 2**64 - 1])
def test_an_entry_that_begins_where_nothing_can_is_damaged(tmp_path: Path, image: bytes, offset: int) -> None:
    """Its place is 64 bits of anybody's; the entries behind it are unpacked."""
    packed = pack(tmp_path / "a.zip", ("a", image), ("b", image))
    content = packed.read_bytes()
    lists = content.index(b"PK\x01\x02")
    extra = struct.pack("<HHQ", 1, 8, offset)
    # Of the first entry in the list: the extra field's length, the place (then the extra field has it), the name.
    first = content[lists : lists + 30] + struct.pack("<H", len(extra)) + content[lists + 32 : lists + 42]
    end = bytearray(content[content.index(b"PK\x05\x06") :])
    end[12:16] = struct.pack("<I", struct.unpack("<I", end[12:16])[0] + len(extra))
    rest = content[lists + 47 : content.index(b"PK\x05\x06")]
    packed.write_bytes(content[:lists] + first + b"\xff\xff\xff\xffa" + extra + rest + end)
    (tmp_path / "out").mkdir()
    entries = list(ZipOfDicom(packed).unpacked(tmp_path / "out"))
    assert [(entry.name, entry.damaged) for entry in entries] == [("a", True), ("b", False)]


def test_entries_that_lie_before_the_file_are_damaged(tmp_path: Path, image: bytes) -> None:
    """So they do where bytes of the file are missing in the middle."""
    packed = pack(tmp_path / "a.zip", ("a", image), ("b", image))
    content = bytearray(packed.read_bytes())
    place = content.index(b"PK\x05\x06") + 16
    content[place : place + 4] = struct.pack("<I", struct.unpack("<I", content[place : place + 4])[0] + 5000)
    packed.write_bytes(content)
    found = [found for source in sources_of([packed]) for found in source.files(tmp_path)]
    assert [one.damaged for one in found] == [True, True]


def test_an_entry_without_a_name_is_an_entry(tmp_path: Path, image: bytes) -> None:
    """It is unpacked as any other; a name ends at its first NUL."""
    packed = pack(tmp_path / "a.zip", ("name", image))
    packed.write_bytes(packed.read_bytes().replace(b"name", b"\0ame"))
    (tmp_path / "out").mkdir()
    (entry,) = ZipOfDicom(packed).unpacked(tmp_path / "out")
    assert entry.file is not None


def test_a_disk_that_is_full_is_told_of_each_entry(
    tmp_path: Path, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing half-written is left, and it is no success."""
    packed = pack(tmp_path / "a.zip", ("a", image), ("b.txt", b"hello"))
    (tmp_path / "out").mkdir()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ZipOfDicom, "_copy", full)
    entries = list(ZipOfDicom(packed).unpacked(tmp_path / "out"))
    assert [(entry.file, entry.damaged) for entry in entries] == [(None, True), (None, False)]
    assert "TMPDIR" in entries[0].why
    assert list((tmp_path / "out").iterdir()) == []


def test_files_of_several_zip_files_are_there_together(tmp_path: Path) -> None:
    """One association carries what is in all of them: a copy takes no other's name, and removes no other's file."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    uids = [f"1.2.3.{number}" for number in range(4)]
    images = [write_file(tmp_path / uid, dataset(SOPInstanceUID=uid)).read_bytes() for uid in uids]
    pack(tmp_path / "in" / "a.zip", ("x.dcm", images[0]), ("y.dcm", images[1]))
    pack(tmp_path / "in" / "b.zip", ("x.dcm", images[2]), ("y.dcm", images[3]))
    found = [item for source in sources_of([tmp_path / "in"]) for item in source.files(tmp_path / "out")]
    assert [item.meta.file.read_bytes() for item in found if item.meta is not None] == images
