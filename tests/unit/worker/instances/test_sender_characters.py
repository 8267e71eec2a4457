"""Names are decoded as declared, else as the site knows of the sender, else not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from worker.errors import CharactersUnknown
from worker.instances.sender_characters import settle
from worker.instances.source_repairs import identity_of
from worker.testing import write_mr_series

Written = Callable[..., Dataset]


@pytest.fixture(params=[ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=["explicit", "implicit"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Written:
    """Return a function that writes bytes for names and reads the file back, as it came from CT1."""

    def write(declared: str | list[str], name: bytes, description: bytes = b"HEAD", meaning: bytes = b"MRI") -> Dataset:
        (file,) = write_mr_series(tmp_path, slices=1)
        content = dcmread(file)
        content.SpecificCharacterSet = declared
        content.file_meta.SourceApplicationEntityTitle = "CT1"
        content.file_meta.TransferSyntaxUID = request.param
        # Stand-ins of the same length, since pydicom writes nothing that is wrong.
        content.PatientName, content.StudyDescription = "#" * len(name), "%" * len(description)
        content.ProcedureCodeSequence = [_procedure("&" * len(meaning))]
        dcmwrite(file, content, implicit_vr=request.param == ImplicitVRLittleEndian, little_endian=True)
        data = file.read_bytes()
        for stand_in, value in ((b"#", name), (b"%", description), (b"&", meaning)):
            data = data.replace(stand_in * len(value), value)
        file.write_bytes(data)
        return dcmread(file)

    return write


def _procedure(meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99TEST", meaning
    return item


def _name(dataset: Dataset) -> str:
    identity = identity_of(dataset)
    assert identity.attributes.SpecificCharacterSet == "ISO_IR 192"
    return str(identity.attributes.PatientName)


def test_a_declared_set_that_fits_is_believed(written: Written) -> None:
    """Whatever the site says of the sender."""
    dataset = written("ISO_IR 100", "Grünewald^Jörg".encode("latin-1"))
    settle(dataset, {"CT1": ("ISO_IR 144",)})
    assert _name(dataset) == "Grünewald^Jörg"


def test_ir_58_is_read_without_its_escape_sequences(written: Written) -> None:
    """Pydicom leaves them in the name."""
    dataset = written(["", "ISO 2022 IR 58"], b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab")
    settle(dataset, {})
    assert _name(dataset) == "Zhang^XiaoDong=张^小东"


@pytest.mark.parametrize("declared", ["", "ISO_IR 192", ["", "ISO 2022 IR 87"], "ISO_IR 999"])
def test_the_senders_set_is_used_where_the_declared_one_fails(written: Written, declared: str | list[str]) -> None:
    """For all its attributes: a set that cannot decode one value is not the set of the others."""
    dataset = written(declared, b"Gr\xfcnewald^J\xf6rg", description=b"Sch\xe4del nativ")
    settle(dataset, {"CT1": ("ISO_IR 100",)})
    assert _name(dataset) == "Grünewald^Jörg"
    assert identity_of(dataset).attributes.StudyDescription == "Schädel nativ"


@pytest.mark.parametrize(
    ("assumed", "told"),
    [
        ({}, "say what CT1 really uses"),
        ({"CT2": ("ISO_IR 100",)}, "say what CT1 really uses"),
        ({"CT1": ("ISO_IR 192",)}, "nor does `assume_character_set` of CT1"),
    ],
)
def test_else_nobody_knows(written: Written, assumed: dict[str, tuple[str, ...]], told: str) -> None:
    """The reason names the attribute, the sender and the remedy, and not the name; nothing was changed."""
    dataset = written("", b"Gr\xfcnewald^J\xf6rg")
    with pytest.raises(CharactersUnknown, match=told) as error:
        settle(dataset, assumed)
    assert "newald" not in str(error.value)
    assert "(0008,0005)" in str(error.value)
    with pytest.raises(CharactersUnknown):
        identity_of(dataset)


def test_half_of_a_character_is_no_backslash(written: Written) -> None:
    """The second byte of this character of GB18030 is 0x5C; the name is one name all the same."""
    assert "俓".encode("gb18030")[1] == ord("\\")
    dataset = written("GB18030", "Wang^俓".encode("gb18030"))
    settle(dataset, {})
    assert _name(dataset) == "Wang^俓"


def test_sequences_are_decoded_too(written: Written) -> None:
    """The meaning of a procedure's code, inside its sequence."""
    dataset = written("", b"Gr\xfcnewald^J\xf6rg", meaning=b"Sch\xe4del ohne Km...")
    settle(dataset, {"CT1": ("ISO_IR 100",)})
    (item,) = identity_of(dataset).attributes.ProcedureCodeSequence
    assert item.CodeMeaning == "Schädel ohne Km..."
