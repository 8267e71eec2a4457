"""What an archive's statuses mean and what to do: C-STORE (PS3.4 B.2.3), C-MOVE (C.4.2.1.5), C-GET (C.4.3.1.4)."""

from collections.abc import Mapping
from typing import NamedTuple


class Meaning(NamedTuple):
    """A status in words.

    Attributes:
        what: What the peer says with it.
        remedy: What to do; empty where nothing is to be done.
    """

    what: str
    remedy: str


#: Below are the statuses that are the same for every service (PS3.7 C).
_FIRST_OF_SERVICES = 0xA000

_SEE_LOG = "see the archive's log"
_UNKNOWN = Meaning(_SEE_LOG, "look for the UID there")

_NOT_AUTHORISED = Meaning("not authorised: does it know our AE title?", "allow our AE title there")
_NO_SUCH_CLASS = Meaning("SOP class not supported", "enable the SOP class there, or leave these objects out")

#: Of C-STORE, by status, then by first digit where the rest is the archive's own.
STORE: Mapping[int, Meaning] = {
    0x0000: Meaning("stored", ""),
    0x0110: Meaning("processing failure", _SEE_LOG),
    0x0111: Meaning("it has this SOP Instance already", ""),
    0x0117: Meaning("invalid SOP Instance UID", "mend the objects: a UID has digits and dots, at most 64 characters"),
    0x0122: _NO_SUCH_CLASS,
    0x0124: _NOT_AUTHORISED,
    0xA700: Meaning("out of resources", "free space there and look at its health, then send again"),
    0xA900: Meaning("dataset does not match the SOP class", "mend the objects: request and dataset name other UIDs"),
    0xB000: Meaning("it coerced data elements", "compare what it holds with what was sent"),
    0xB006: Meaning("it discarded data elements", "compare what it holds with what was sent"),
    0xB007: Meaning(
        "it finds that the dataset does not match the SOP class", "check the objects with `wetread validate`"
    ),
    0xC000: Meaning("it cannot understand the dataset", "mend the objects; its log or comment may tell what is wrong"),
}
#: Of C-MOVE and C-GET.
RETRIEVE: Mapping[int, Meaning] = {
    0x0000: Meaning("done", ""),
    0x0110: Meaning("processing failure", _SEE_LOG),
    0x0122: Meaning("it does not retrieve", "enable C-GET or C-MOVE there, or try the other: `--move`"),
    0x0124: _NOT_AUTHORISED,
    0xA700: Meaning("out of resources", "pull fewer at a time, or later"),
    0xA701: Meaning("it could not count the matches", "try later; " + _SEE_LOG),
    0xA702: Meaning("it could not send the instances", "is our node up, and its address right there? " + _SEE_LOG),
    0xA801: Meaning(
        "it does not know the move destination",
        "add our node to its list of AE titles with host and port, or use C-GET",
    ),
    0xA900: Meaning("it does not take the query", "does it support Study Root at level STUDY?"),
    0xB000: Meaning("it sent some instances and failed on others", "the others stand in its log, with reasons"),
    0xC000: Meaning("it could not process the request", _SEE_LOG + "; for C-MOVE: does it know our node's AE title?"),
    0xFE00: Meaning("it was cancelled", "pull again"),
}


#: Refusals of a moment (PS3.4 B.2.3, PS3.7 C): the same object may be taken later. The last digits of A7xx are its own.
_OUT_OF_RESOURCES = 0xA700
_PASSING = (0x0110, 0x0213)  # processing failure, resource limitation


def may_pass(status: int) -> bool:
    """Say whether a refusal of a C-STORE may be over later, with nothing changed in the object."""
    return status in _PASSING or status & 0xFF00 == _OUT_OF_RESOURCES


def store_meaning(status: int) -> Meaning:
    """Say what a status of a C-STORE response means."""
    return _of(STORE, status)


def retrieve_meaning(status: int) -> Meaning:
    """Say what the last status of a C-GET or C-MOVE means."""
    return _of(RETRIEVE, status)


def _of(table: Mapping[int, Meaning], status: int) -> Meaning:
    # The last digits of a refusal are the archive's own, so that A7xx is A700 and Cxxx is C000.
    masks = (0xFFFF, 0xFF00, 0xF000) if status >= _FIRST_OF_SERVICES else (0xFFFF,)
    return next((table[status & mask] for mask in masks if status & mask in table), _UNKNOWN)
