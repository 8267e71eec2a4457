"""What is wrong before a word of DICOM is spoken: seed and number give the bytes that come to a TLS port."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from tests.faults.wire_bytes import ASSOCIATE_RQ, associate_rq, pdu
from tests.fuzz.mutations import edge, flipped, resized
from tests.fuzz.wire_case import CONTEXTS, chance_of

#: As OpenSSL's client says them, recorded: TLS 1.3, and 1.2 at most (RFC 8446 4.1.2).
HELLOS = tuple(
    base64.b64decode(text)[:517]
    for text in (
        "FgMBAgABAAH8AwM+goCWrdfi+MqFqVcBjLh4EGAUb/8Vkhvl3JfsNJ8LpSAOxAjZOKBX99InxF7eFlK9QIKZCVMZUglSkerhsXx/"
        "KgAMEwITAxMBwCzAMAD/AQABpwAAAA4ADAAACWxvY2FsaG9zdAALAAQDAAECAAoAFgAUAB0AFwAeABkAGAEAAQEBAgEDAQQAIwAA"
        "ABYAAAAXAAAADQAqACgEAwUDBgMIBwgICAkICggLCAQIBQgGBAEFAQYBAwMDAQMCBAIFAgYCACsABQQDBAMDAC0AAgEBADMAJgAk"
        "AB0AIOv4fK2bqsGQU38t+l5GFmGMOBa58mRLF6HSqXYuDmoLABUA/A" + "A" * 338 + "==",
        (
            "FgMBAJcBAACTAwPLfgv7K0tRyUfrkZ6EQhlH4oButg/0fefLPMwjSWR8owAABsAswDAA/wEAAGQAAAAOAAwAAAlsb2NhbGhvc3QA"
            "CwAEAwABAgAKAAwACgAdABcAHgAZABgAIwAAABYAAAAXAAAADQAqACgEAwUDBgMIBwgICAkICggLCAQIBQgGBAEFAQYBAwMDAQMC"
            "BAIFAgYC"
        ),
    )
)
#: Of a record and of the message in it: where a length stands, and in how many bytes.
_LENGTHS = ((3, 2), (6, 3), (43, 1), (44, 2), (76, 2), (84, 2))
_RECORD_KINDS = (0, 20, 21, 22, 23, 24, 128, 255)
_VERSIONS = (b"\x02\x00", b"\x03\x00", b"\x03\x01", b"\x03\x02", b"\x03\x04", b"\x7f\x17", b"\xff\xff")
_UNCHANGED_SHARE = 0.04
_HALF_CLOSED_SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class HandshakeCase:
    """What is sent over one connection.

    Attributes:
        number: Of the case.
        data: Sent at once.
        half_closed: Whether the sender says that nothing more comes; else the node must lose its patience.
        mutations: What is wrong with it; empty for a right beginning.
    """

    number: int
    data: bytes
    half_closed: bool
    mutations: tuple[str, ...]


def handshake_case(seed: int, number: int) -> HandshakeCase:
    """Return a case."""
    chance = chance_of("handshake", seed, number)
    data, done = chance.choice(HELLOS), []
    for _ in range(0 if chance.random() < _UNCHANGED_SHARE else chance.choice((1, 1, 2, 3))):
        name = chance.choice(list(CHANGES))
        data = CHANGES[name](chance, data)
        done.append(name)
    return HandshakeCase(
        number=number, data=data, half_closed=chance.random() < _HALF_CLOSED_SHARE, mutations=tuple(done)
    )


def _wrong_length(chance: Random, data: bytes) -> bytes:
    start, count = chance.choice(_LENGTHS)
    truth = int.from_bytes(data[start : start + count])
    wrong = (edge(chance, truth) % (1 << 8 * count)).to_bytes(count)
    return data[:start] + wrong + data[start + count :]


def _other_record(chance: Random, data: bytes) -> bytes:
    return bytes([chance.choice(_RECORD_KINDS)]) + data[1:]


def _other_version(chance: Random, data: bytes) -> bytes:
    start = chance.choice((1, 9))
    return data[:start] + chance.choice(_VERSIONS) + data[start + 2 :]


def _in_pieces(chance: Random, data: bytes) -> bytes:
    """Cut the message over several records, each with a header of its own; some of them empty."""
    head, body, pieces = data[:3], data[5:], b""
    while body:
        taken = chance.choice((0, 1, 2, 5, 40, 400))
        pieces += head + len(body[:taken]).to_bytes(2) + body[:taken]
        body = body[taken:]
        if len(pieces) > 1 << 16:
            break
    return pieces


def _more(chance: Random, data: bytes) -> bytes:
    """Let another record follow: an alert, application data, a change of ciphers, or the same again."""
    record = bytes([chance.choice(_RECORD_KINDS)]) + b"\x03\x03"
    body = chance.randbytes(chance.choice((0, 1, 2, 100)))
    return data + chance.choice((data, record + len(body).to_bytes(2) + body))


def _something_else(chance: Random, data: bytes) -> bytes:
    del data
    return chance.choice(
        (
            pdu(ASSOCIATE_RQ, associate_rq(CONTEXTS, calling="FUZZ")[6:]),
            b"GET / HTTP/1.1\r\n\r\n",
            b"",
            chance.randbytes(chance.choice((1, 5, 500))),
        )
    )


def _flipped(chance: Random, data: bytes) -> bytes:
    return flipped(chance, data)


#: Ways for a handshake to begin wrong.
CHANGES: Mapping[str, Callable[[Random, bytes], bytes]] = {
    "bytes flipped": _flipped,
    "resized": resized,
    "wrong length": _wrong_length,
    "other record": _other_record,
    "other version": _other_version,
    "in pieces": _in_pieces,
    "more records": _more,
    "no TLS": _something_else,
}
