"""C-STORE as client: files go out as the bytes they are, one association for as many kinds as it can carry."""

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from dicom_node.archives.requestor import Requestor
from dicom_node.datasets.part10 import FileMeta
from dicom_node.errors import ArchiveError
from dicom_node.settings import Peer
from dicom_node.sources.foreign_file import write_with_meta
from dicom_node.sources.sources import Source, batches, sources_of

#: Associations in a row that end without an answer.
_MOST_IN_VAIN = 3

_SUCCESS = 0x0000
#: PS3.7 C.4: these, and whatever begins with B. PS3.4 B.2.3 names three of those, archives have others of their own.
_WARNINGS = (0x0001, 0x0107, 0x0116, *range(0xB000, 0xC000))
_DUPLICATE_SOP_INSTANCE = 0x0111  # PS3.7 C.5.6


class OutcomeKind(Enum):
    """What an archive did with an object."""

    ACCEPTED = "accepted"  #: stored
    WARNING = "warning"  #: stored, with something changed or left out
    DUPLICATE = "duplicate"  #: it has this instance already, which is as good as stored
    REFUSED = "refused"  #: not stored
    NO_CONTEXT = "no context"  #: it takes no such SOP class in this transfer syntax; never sent
    SKIPPED = "skipped"  #: only from `send`: the file is not DICOM, or a media directory, and was never sent
    UNREADABLE = "unreadable"  #: only from `send`: named or damaged, cannot be read, and was never sent


@dataclass(frozen=True, kw_only=True)
class StoreOutcome:
    """What became of one object.

    Attributes:
        sop_instance_uid: Of the object; empty for what is not DICOM.
        status: Of the C-STORE response; 0 where none was sent.
        kind: What that means.
        text: In words, with the archive's Error Comment where it gave one and the status otherwise.
    """

    sop_instance_uid: str
    status: int
    kind: OutcomeKind
    text: str

    @property
    def accepted(self) -> bool:
        """Whether the archive holds the object now."""
        return self.kind in (OutcomeKind.ACCEPTED, OutcomeKind.WARNING, OutcomeKind.DUPLICATE)


def store_files(requestor: Requestor, files: Sequence[FileMeta]) -> Iterator[tuple[Path, StoreOutcome]]:
    """Send files over one association, in order, and yield what the peer answered to each.

    Ends early if the association does. At most 128 kinds of (SOP class, transfer syntax).
    Raises ArchiveUnreachable, AssociationRejected.
    """
    if not files:
        return
    kinds = list(dict.fromkeys((file.sop_class_uid, file.transfer_syntax_uid) for file in files))
    with requestor.associate(kinds) as association:
        accepted = {(str(cx.abstract_syntax), str(cx.transfer_syntax[0])) for cx in association.accepted_contexts}
        for number, file in enumerate(files):
            if (file.sop_class_uid, file.transfer_syntax_uid) not in accepted:
                yield file.file, _no_context(file)
            elif not association.is_established:
                return
            else:
                try:
                    with _with_right_meta(file, requestor) as path:
                        response = association.send_c_store(path, msg_id=number % 0xFFFF + 1)
                except RuntimeError:
                    return  # the peer aborted between the look above and the request
                if "Status" not in response:
                    return
                yield file.file, outcome_of(file.sop_instance_uid, response)


@contextmanager
def _with_right_meta(file: FileMeta, requestor: Requestor) -> Iterator[Path]:
    """Give the file, or a passing copy whose meta information names the dataset's UIDs: the request is made from it."""
    if not file.corrected:
        yield file.file
        return
    with tempfile.NamedTemporaryFile(suffix=".dcm") as copy:
        write_with_meta(
            file,
            copy,
            calling_ae_title=requestor.calling_ae_title,
            called_ae_title=requestor.peer.ae_title,
        )
        copy.flush()
        yield Path(copy.name)


def outcome_of(sop_instance_uid: str, response: Any) -> StoreOutcome:
    """Say what a C-STORE response means."""
    status = int(response.Status)
    if status == _SUCCESS:
        kind = OutcomeKind.ACCEPTED
    elif status == _DUPLICATE_SOP_INSTANCE:
        kind = OutcomeKind.DUPLICATE
    elif status in _WARNINGS:
        kind = OutcomeKind.WARNING
    else:
        kind = OutcomeKind.REFUSED
    comment = str(response.get("ErrorComment", "") or "")
    text = f"status {status:04X}" + (f": {comment}" if comment else "")
    return StoreOutcome(sop_instance_uid=sop_instance_uid, status=status, kind=kind, text=text)


def send(paths: Iterable[Path], peer: Peer, calling_ae_title: str) -> Iterator[tuple[Path, StoreOutcome]]:
    """Send what a person names (`dicom_node.sources`), and yield what became of each file, named as a person finds it.

    Raises ArchiveUnreachable, AssociationRejected, OSError.
    """
    return send_sources(sources_of(paths), Requestor(peer=peer, calling_ae_title=calling_ae_title))


def send_sources(sources: Iterable[Source], requestor: Requestor) -> Iterator[tuple[Path, StoreOutcome]]:
    """Send sources, over as many associations as they need, and yield what became of each file.

    A file that is not DICOM is named and skipped; a file that the peer left unanswered is REFUSED, and those behind it
    go over another association. Raises ArchiveUnreachable, AssociationRejected, OSError.
    """
    with tempfile.TemporaryDirectory(prefix="wetread-send-") as folder:
        for batch in batches(found for source in sources for found in source.files(Path(folder))):
            to_send: list[tuple[Path, FileMeta]] = []
            for found in batch:
                if found.meta is None:
                    kind = OutcomeKind.UNREADABLE if found.damaged else OutcomeKind.SKIPPED
                    yield found.name, StoreOutcome(sop_instance_uid="", status=0, kind=kind, text=found.why)
                else:
                    to_send.append((found.name, found.meta))
            yield from _send_all(requestor, to_send)
            for found in batch:
                if found.passing and found.meta is not None:
                    found.meta.file.unlink(missing_ok=True)


def _send_all(requestor: Requestor, files: list[tuple[Path, FileMeta]]) -> Iterator[tuple[Path, StoreOutcome]]:
    """Send one batch; an association that ends early costs the file that it left unanswered, not those behind it."""
    position, in_vain = 0, 0
    while position < len(files):
        before = position
        try:
            for _, outcome in store_files(requestor, [meta for _, meta in files[position:]]):
                yield files[position][0], outcome
                position += 1
        except OSError as error:  # of this file alone: it was readable when it was found
            yield files[position][0], _unreadable(files[position][1], error)
            position += 1
            continue
        except ArchiveError:
            if not before:
                raise
            in_vain = _MOST_IN_VAIN  # it was there and has gone
        in_vain = 0 if position > before else in_vain + 1
        # A peer that drops every association, or takes none any more, gets no more of them.
        last = len(files) if in_vain >= _MOST_IN_VAIN else min(position + 1, len(files))
        for name, meta in files[position:last]:
            yield name, _unanswered(meta)
        position = last


def _unanswered(file: FileMeta) -> StoreOutcome:
    return StoreOutcome(
        sop_instance_uid=file.sop_instance_uid,
        status=0,
        kind=OutcomeKind.REFUSED,
        text="the association ended before an answer; send it again",
    )


def _unreadable(file: FileMeta, error: OSError) -> StoreOutcome:
    return StoreOutcome(
        sop_instance_uid=file.sop_instance_uid,
        status=0,
        kind=OutcomeKind.UNREADABLE,
        text=f"cannot be read, or copied aside ({error.strerror}); is it still there, and is there room in TMPDIR?",
    )


def _no_context(file: FileMeta) -> StoreOutcome:
    return StoreOutcome(
        sop_instance_uid=file.sop_instance_uid,
        status=0,
        kind=OutcomeKind.NO_CONTEXT,
        text=f"the peer takes no SOP class {file.sop_class_uid} in transfer syntax {file.transfer_syntax_uid}",
    )
