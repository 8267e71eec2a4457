"""Specific Character Set (0008,0005): bytes to characters, exactly or not at all (PS3.5 6.1, PS3.3 C.12.1.1.2).

pydicom guesses where a set does not cover a value, and leaves the escape sequences of some sets in it; a name must be
neither.
"""

from collections.abc import Iterable, Sequence

#: Single values: what bytes from 0x80 on mean, or all bytes.
_SINGLE = {
    "ISO_IR 100": "iso8859_1",
    "ISO_IR 101": "iso8859_2",
    "ISO_IR 109": "iso8859_3",
    "ISO_IR 110": "iso8859_4",
    "ISO_IR 126": "iso8859_7",
    "ISO_IR 127": "iso8859_6",
    "ISO_IR 138": "iso8859_8",
    "ISO_IR 144": "iso8859_5",
    "ISO_IR 148": "iso8859_9",
    "ISO_IR 166": "tis_620",
    "ISO_IR 203": "iso8859_15",
    "ISO_IR 13": "jis_x_0201",
}
_WHOLE = {"ISO_IR 192": "utf_8", "GB18030": "gb18030", "GBK": "gbk"}
_DEFAULT = ("", "ISO_IR 6", "ISO 2022 IR 6")
#: With code extensions: the escape sequences that a term allows, and what they put into G0 or G1 (C.12-3, C.12-4).
_EXTENSIONS: dict[str, dict[bytes, tuple[str, str]]] = {
    **{
        f"ISO 2022 IR {number}": {b"-" + final: ("G1", _SINGLE[f"ISO_IR {number}"]), b"(B": ("G0", "ascii")}
        for number, final in (
            ("100", b"A"), ("101", b"B"), ("109", b"C"), ("110", b"D"), ("126", b"F"), ("127", b"G"), ("138", b"H"),
            ("144", b"L"), ("148", b"M"), ("166", b"T"), ("203", b"b"),
        )
    },
    "ISO 2022 IR 13": {b")I": ("G1", "jis_x_0201"), b"(J": ("G0", "ascii")},
    "ISO 2022 IR 87": {b"$B": ("G0", "jis_x_0208")},
    "ISO 2022 IR 159": {b"$(D": ("G0", "jis_x_0212")},
    "ISO 2022 IR 149": {b"$)C": ("G1", "euc_kr")},
    "ISO 2022 IR 58": {b"$)A": ("G1", "gb2312")},
}  # fmt: skip
#: Allowed whatever the terms are (PS3.5 6.1.2.5.3): back to the default repertoire.
_ALWAYS = {b"(B": ("G0", "ascii")}
#: Two bytes from 0x21 on stand for a character: in Python these codecs have escape sequences of their own.
_TWO_BYTES_IN_G0 = {
    "jis_x_0208": ("iso2022_jp", b"\x1b$B"),
    "jis_x_0212": ("iso2022_jp_2", b"\x1b$(D"),
}
_TO_ASCII = b"\x1b(B"
_ESC = 0x1B
_HIGH = 0x80
_KATAKANA = range(0xA1, 0xE0)
#: Each ends what escape sequences have set (PS3.5 6.1.2.5.3); in names ^ and = do too.
_ENDS = frozenset(b"\t\n\f\r\\")
_ENDS_IN_NAMES = _ENDS | frozenset(b"^=")

#: Every Defined Term that can be named alone, and every one that can be named with code extensions.
DEFINED_TERMS: tuple[str, ...] = ("ISO_IR 6", *_SINGLE, *_WHOLE, "ISO 2022 IR 6", *_EXTENSIONS)


class NotInCharacterSet(ValueError):
    """Bytes that the character set does not have; the message shows none of them."""


def is_plain(value: bytes) -> bool:
    """Say whether a value is the same in every character set: no bytes from 0x80 on, no escape sequence."""
    return value.isascii() and _ESC not in value


def terms_of(declared: object) -> tuple[str, ...]:
    """Return the values of Specific Character Set, however a library gives them; none where it is absent or empty."""
    if isinstance(declared, bytes):
        declared = declared.decode("latin-1").split("\\")
    values: Iterable[object] = [declared] if isinstance(declared, str) or declared is None else _listed(declared)
    terms = tuple("" if value is None else str(value).strip(" \0") for value in values)
    return terms if any(terms) else ()


def why_not_terms(terms: Sequence[str]) -> str:
    """Say why these are no Specific Character Set that can be decoded; empty where they are one."""
    unknown = [term for term in terms if term not in (*DEFINED_TERMS, "")]
    if unknown:
        return f"{unknown[0]!r} is no Defined Term of Specific Character Set; known are {', '.join(DEFINED_TERMS)}"
    if len(terms) > 1 and any(term not in (*_DEFAULT, *_EXTENSIONS) for term in terms):
        return "several values are for code extensions: each begins with ISO 2022, and the first may be empty"
    return ""


def decoded(value: bytes, terms: Sequence[str], *, name: bool = False) -> str:
    """Return the characters of a value.

    Args:
        value: As it is in the dataset, with its padding.
        terms: Of Specific Character Set; none where it is absent.
        name: Whether it is a Person Name, in which more ends a code extension.

    Raises NotInCharacterSet.
    """
    if is_plain(value):
        return value.decode("ascii")
    if why_not_terms(terms):
        raise NotInCharacterSet("the character set is not a defined one")
    first = terms[0] if terms else ""
    try:
        if len(terms) < 2 and first in _WHOLE:  # noqa: PLR2004
            return _without_controls(value.decode(_WHOLE[first]))
        if len(terms) < 2 and first not in _EXTENSIONS:  # noqa: PLR2004
            return _without_controls(_high_or_ascii(value, _SINGLE.get(first, "ascii")))
        return _without_controls(_with_extensions(value, terms, _ENDS_IN_NAMES if name else _ENDS))
    except UnicodeDecodeError as error:
        # Not the error's words: they quote bytes.
        raise NotInCharacterSet(f"byte {error.start} cannot be decoded") from None


def _listed(declared: object) -> Iterable[object]:
    return declared if isinstance(declared, Iterable) else [declared]


def _without_controls(text: str) -> str:
    # C1 (0x80 to 0x9F) is in no set of DICOM's: where it comes out, the bytes were another set's. Nor is an ESC text.
    if any(character == "\x1b" or "\x80" <= character <= "\x9f" for character in text):
        raise NotInCharacterSet("control characters come out of it")
    return text


def _with_extensions(value: bytes, terms: Sequence[str], ends: frozenset[int]) -> str:
    """Decode by PS3.5 6.1.2.5: escape sequences put sets into G0 (bytes below 0x80) and G1 (the others)."""
    allowed = dict(_ALWAYS)
    for term in terms:
        allowed |= _EXTENSIONS.get(term, {})
    # Two-byte sets of G1 ought not to come first (C.12.1.1.2), and do, from senders that leave the escapes out as well.
    first = next((codec for place, codec in _EXTENSIONS.get(terms[0], {}).values() if place == "G1"), "ascii")
    initial = {"G0": "ascii", "G1": first}
    active = dict(initial)
    text, run, position = "", bytearray(), 0

    def flush() -> str:
        data = bytes(run)
        run.clear()
        return _run(data, active)

    while position < len(value):
        byte = value[position]
        if byte == _ESC:
            text += flush()
            sequence = next((code for code in allowed if value.startswith(code, position + 1)), None)
            if sequence is None:
                raise NotInCharacterSet("an escape sequence of a set that is not declared")
            place, codec = allowed[sequence]
            active[place] = codec
            position += 1 + len(sequence)
            continue
        run.append(byte)
        position += 1
        # Inside two-byte characters of G0 these bytes are halves of characters.
        if byte in ends and active["G0"] not in _TWO_BYTES_IN_G0:
            text += flush()
            active = dict(initial)
    return text + flush()


def _run(data: bytes, active: dict[str, str]) -> str:
    """Decode bytes under one state of G0 and G1."""
    text, start = "", 0
    for end in range(1, len(data) + 1):
        if end == len(data) or (data[end] >= _HIGH) != (data[start] >= _HIGH):
            part = data[start:end]
            text += _high_or_ascii(part, active["G1"]) if part[0] >= _HIGH else _low(part, active["G0"])
            start = end
    return text


def _low(data: bytes, codec: str) -> str:
    if codec in _TWO_BYTES_IN_G0:
        python, escape = _TWO_BYTES_IN_G0[codec]
        return (escape + data + _TO_ASCII).decode(python)
    return data.decode("ascii")


def _high_or_ascii(data: bytes, codec: str) -> str:
    if codec != "jis_x_0201":
        return data.decode(codec)
    # In Python its half-width katakana are a part of Shift JIS, whose other characters are not in the set.
    if any(byte >= _HIGH and byte not in _KATAKANA for byte in data):
        raise NotInCharacterSet("bytes that are no half-width katakana")
    return data.decode("shift_jis")
