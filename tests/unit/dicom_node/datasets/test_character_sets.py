"""Bytes become characters exactly, or not at all."""

import pytest
from pydicom.charset import convert_encodings
from pydicom.valuerep import PersonName

from dicom_node.datasets.character_sets import NotInCharacterSet, decoded, is_plain, terms_of, why_not_terms

#: The standard's own examples, as bytes: PS3.5 H.3.1, H.3.2, I.2, J.1, J.2, K.3 and one of SS C.12.1.1.2.
STANDARD: dict[str, tuple[list[str], bytes, str]] = {
    "H.3.1": (
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    "H.3.2": (
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
        b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
    ),
    "I.2": (
        ["", "ISO 2022 IR 149"],
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        "Hong^Gildong=洪^吉洞=홍^길동",
    ),
    "J.1": (["ISO_IR 192"], b"Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1=", "Wang^XiaoDong=王^小東="),
    "J.2": (["GB18030"], b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="),
    "K.3": (
        ["", "ISO 2022 IR 58"],
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东=",
    ),
    "IR 159": (["", "ISO 2022 IR 87", "ISO 2022 IR 159"], b'\x1b$B$"\x1b(Ba\x1b$(DmN\x1b(B', "あa齩"),
    "two parts of Latin": (
        ["ISO 2022 IR 100", "ISO 2022 IR 144"],
        b"Gr\xfcn^\x1b-L\xbb\xee\xda^\xfc",
        "Grün^Люк^ü",
    ),
}


@pytest.mark.parametrize("example", STANDARD)
def test_the_examples_of_the_standard_are_read_as_it_says(example: str) -> None:
    """Code extensions, their reset by ^ and =, and sets that stand alone."""
    terms, value, name = STANDARD[example]
    assert decoded(value, terms, name=True) == name


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (["ISO_IR 100"], "Müller^Jörg"),
        (["ISO_IR 101"], "Wałęsa"),
        (["ISO_IR 109"], "Ħal Għaxaq"),
        (["ISO_IR 110"], "Kārlis"),
        (["ISO_IR 126"], "Διονυσιος"),
        (["ISO_IR 127"], "قباني^لنزار"),
        (["ISO_IR 138"], "שרון^דבורה"),
        (["ISO_IR 144"], "Люкceмбypг"),  # noqa: RUF001
        (["ISO_IR 148"], "Çavuşoğlu"),
        (["ISO_IR 166"], "นามสกุล^ชื่อ"),
        (["GB18030"], "俓^\U00020000"),
        (["GBK"], "王^小東"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_pydicom_encodes_is_decoded(terms: list[str], text: str) -> None:
    """Every term that stands alone, also where half of a character is a backslash."""
    assert decoded(PersonName(text).encode(convert_encodings(terms)), terms, name=True) == text


@pytest.mark.parametrize(
    ("terms", "value"),
    [
        ([], b"Gr\xfcn"),
        (["ISO_IR 6"], b"Gr\xfcn"),
        (["ISO_IR 192"], b"Gr\xfcn"),
        (["", "ISO 2022 IR 87"], b"Gr\xfcn"),
        (["", "ISO 2022 IR 87"], "山田".encode("shift_jis")),
        (["ISO_IR 13"], "山田".encode("shift_jis")),
        (["ISO_IR 100"], "Ärger".encode()),
        (["GB18030"], b"\xcd\xf5\xff"),
        (["ISO_IR 100"], b"Yamada=\x1b$B;3ED\x1b(B"),
        (["", "ISO 2022 IR 87"], b"Hong=\x1b$)C\xfb\xf3"),
        ([], b"Yamada=\x1b$B;3ED\x1b(B"),
        (["ISO_IR 999"], b"Gr\xfcn"),
        (["", "ISO 2022 IR 149"], b"\x1b$)C\xfb\xf3^\xfb\xf3"),
    ],
)
def test_a_lie_is_not_decoded(terms: list[str], value: bytes) -> None:
    """No set or the wrong one, escape sequences that are not declared, control characters that would come out."""
    with pytest.raises(NotInCharacterSet) as told:
        decoded(value, terms, name=True)
    assert "Gr" not in str(told.value)


def test_plain_values_need_no_set() -> None:
    """ASCII without escape sequences is the same in all of them."""
    assert is_plain(b"Test^Head ")
    assert decoded(b"Test^Head", ["ISO_IR 999"]) == "Test^Head"
    assert not is_plain(b"\x1b$B;3ED\x1b(B")


def test_terms_are_told_apart() -> None:
    """As a library gives them, and which of them can be decoded."""
    assert terms_of(None) == terms_of("") == terms_of([""]) == ()
    assert terms_of("ISO_IR 100 ") == terms_of(b"ISO_IR 100") == ("ISO_IR 100",)
    assert terms_of(["", "ISO 2022 IR 87"]) == terms_of(b"\\ISO 2022 IR 87") == ("", "ISO 2022 IR 87")
    assert why_not_terms(("", "ISO 2022 IR 87")) == ""
    assert "no Defined Term" in why_not_terms(("latin1",))
    assert "code extensions" in why_not_terms(("ISO_IR 100", "ISO_IR 144"))
