"""One model reads folders of DICOM, without any daemon: what `wetread models run` does."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, NoReturn

from dicom_node.contexts import MEDIA_STORAGE_DIRECTORY
from dicom_node.datasets.part10 import FileMeta
from dicom_node.errors import MetaUnreadable, NotDicom
from dicom_node.sources.foreign_file import read_meta_to_send, write_with_meta
from dicom_node.sources.sources import entries_of
from models.card.card_preparation import VolumePreparation
from models.card.manifest import Card
from models.catalog import CatalogEntry, ModelState
from models.errors import InputRefused, ModelError
from models.proving.builds import Builds
from models.proving.runtime_choice import in_precision, load_proven, runtime_named
from models.runtimes.runtime import Infer
from ops.commands import terminal
from ops.settings import Settings
from worker import results
from worker.case.case import Case
from worker.case.site_filter import for_site
from worker.gate import output_gate
from worker.hosting.reading_series import read_series
from worker.pictures import picture
from worker.provenance import Provenance
from worker.recipe import recipe_digest
from worker.selecting.image_versions import Versions
from worker.selecting.other_series import OtherSeries
from worker.selecting.selection import choose, images_read
from worker.selecting.selection_rules import rules_of, tags_of
from worker.selecting.selection_summary import summarise_series
from worker.selecting.tag_rules import TagRule
from worker.series.channel_series import load_channels
from worker.series.series_volume import LoadedSeries

#: PS3.10 8.6: a media directory has this name, and nothing else has.
_MEDIA_DIRECTORY = "DICOMDIR"
_SERIES = "SeriesInstanceUID"


def channel_folders(entry: CatalogEntry, said: list[str]) -> list[Path]:
    """Return the folders of a card's channels in its order. Raises ModelError."""
    folders = dict(one.partition("=")[::2] for one in said)
    preparation = entry.card.preparation
    wanted = preparation.channels if isinstance(preparation, VolumePreparation) else ()
    if sorted(folders) != sorted(wanted):
        raise ModelError(
            f"{entry.card.id} needs {' '.join(f'--channel {name}=FOLDER' for name in wanted) or 'no --channel'}, "
            f"and {', '.join(sorted(folders)) or 'none'} is there"
        )
    return [Path(folders[name]) for name in wanted]


def run_model(
    entry: CatalogEntry,
    folders: list[Path],
    out: Path,
    settings: Settings,
    step: Callable[[str], None],
    note: Callable[[str], None],
) -> list[Path]:
    """Read folders of DICOM, the first one's series and its channels', and return the files that were written to `out`.

    `out` must exist. `step` is told what is being done, `note` what a person must know of the files. Raises ModelError,
    WorkerError, OSError.
    """
    if entry.state is not ModelState.READY:
        raise ModelError(entry.reason)
    with tempfile.TemporaryDirectory(prefix="wetread-run-") as place:
        groups = [_dicom_below(folder, Path(place) / str(number), note) for number, folder in enumerate(folders)]
        return _read(entry, groups, out, settings, step, note)


def _dicom_below(folder: Path, copies: Path, note: Callable[[str], None]) -> list[Path]:
    """Return the DICOM files below a folder; of those that lack file meta information, copies that have it.

    Raises InputRefused where there are none.
    """
    files, completed, others = [], [], []
    for file in _files_below(folder, note):
        try:
            meta = read_meta_to_send(file)
        except MetaUnreadable as error:
            raise InputRefused(str(error)) from error
        except NotDicom:
            others.append(file)
            continue
        except OSError as error:
            note(f"not read: {terminal.plain(file.relative_to(folder))}: {error.strerror}")
            continue
        if meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
            continue
        if meta.dataset_start:
            files.append(file)
        else:
            completed.append(file)
            files.append(_with_meta(meta, copies / str(len(completed)) / file.name))
    if others:
        note(f"not DICOM, and not read: {_counted(others, folder)}")
    if not files:
        raise InputRefused(f"{folder} holds no DICOM file; is it the right folder?")
    if completed:
        note(
            f"without preamble and file meta information (PS3.10), and read all the same: {_counted(completed, folder)}"
        )
    return files


def _files_below(folder: Path, note: Callable[[str], None]) -> Iterator[Path]:
    for path, why in entries_of([folder]):
        if why:
            note(f"not read: {terminal.plain(path.relative_to(folder))}: {why}")
        elif path.name != _MEDIA_DIRECTORY:  # it lists images and is none, so it need not be whole
            yield path


def _counted(files: Sequence[Path], folder: Path) -> str:
    return (
        f"{len(files)} {'file' if len(files) == 1 else 'files'}, such as {terminal.plain(files[0].relative_to(folder))}"
    )


def _with_meta(meta: FileMeta, copy: Path) -> Path:
    copy.parent.mkdir(parents=True)
    with copy.open("xb") as stream:
        write_with_meta(meta, stream, calling_ae_title="WETREAD", called_ae_title="WETREAD")
    return copy


def _read(
    entry: CatalogEntry,
    groups: list[list[Path]],
    out: Path,
    settings: Settings,
    step: Callable[[str], None],
    note: Callable[[str], None],
) -> list[Path]:
    step("reading the series")
    chosen = [_fitting(rule, files) for rule, files in zip(images_read(entry.card), groups, strict=True)]
    series = load_channels(
        [each.files for each in chosen],
        max_voxels=settings.worker.max_voxels,
        same_frame_of_reference=rules_of(entry.card).same_frame_of_reference,
        images=[each.images for each in chosen],
    )
    if against := _why_not_chosen(entry.card, series, groups):
        note(
            f"by its card, {entry.card.id} would not read this, and is not made for it, so that what it finds may mean "
            f"nothing: {against}"
        )
    infer, ran = _loaded(entry, settings, step)
    step("inferring")
    found = read_series(entry.card, series.source, chosen[0].files, infer, loud=True)
    reading = for_site(found, settings.report, series.source)
    runtime = found.runtime or ran
    step("encoding")
    left_out = OtherSeries(left_out=chosen[0].left_out)
    provenance = Provenance(
        card=entry.card,
        model_digest=entry.digest,
        inputs_digest=series.inputs_digest,
        recipe_digest=recipe_digest(runtime, settings.report, others=left_out),
        read_at=datetime.now(UTC).astimezone(settings.report.zone),
        runtime=runtime,
    )
    case = replace(Case.of(series, reading, provenance, settings.report), others=left_out)
    objects = results.build(case)
    output_gate.check(objects, case)
    written = [out / f"{made.kind.lower()}.dcm" for made in objects]
    for file, made in zip(written, objects, strict=True):
        file.write_bytes(made.data)
    picture_file = out / "picture.png"
    picture_file.write_bytes(picture.render(case))
    return [*written, picture_file]


class _Fitting(NamedTuple):
    """What a running wetread would read of a series.

    Attributes:
        files: Of the images that it reads.
        images: Which frames it reads of a multi-frame one; None for all.
        left_out: How many images it does not read.
    """

    files: list[Path]
    images: TagRule | None = None
    left_out: int = 0


def _fitting(rule: TagRule | None, files: list[Path]) -> _Fitting:
    """Return what the card reads of a series; all where that is nothing, or they are several series.

    With it what cannot be parsed. Of all this a person is told: by `_why_not_chosen`, and by who reads the series.
    """
    if rule is None:
        return _Fitting(files)
    found = {"": Versions(files=tuple(map(str, files)))}
    (whole,) = summarise_series(Path(), "", found, {_SERIES, *rule.tags}).series
    fitting = whole.only(rule)
    if not fitting.files or len(whole.tag_values.get(_SERIES, ())) > 1:
        return _Fitting(files)
    left_out = {header.file for header in whole.headers}.difference(fitting.files)
    return _Fitting([file for file in files if str(file) not in left_out], rule, fitting.left_out)


def _why_not_chosen(card: Card, series: LoadedSeries, groups: list[list[Path]]) -> str:
    """Return why a running wetread would leave this series unread; empty where it would read it."""
    uids = dict.fromkeys(str(dataset.SeriesInstanceUID) for dataset in series.evidence)
    # Fewer than folders where one was named twice.
    found = {uid: Versions(files=tuple(map(str, files))) for uid, files in zip(uids, groups, strict=False)}
    summary = summarise_series(Path(), str(series.datasets[0].StudyInstanceUID), found, tags_of([card]))
    choice = choose(card, summary)
    return "" if choice.runs else choice.reason


def _loaded(entry: CatalogEntry, settings: Settings, step: Callable[[str], None]) -> tuple[Infer, str]:
    """Return what asks a model's networks, and what runs them; a model without networks asks nobody."""
    if not entry.card.networks:
        return _ask_nobody, ""
    step("loading the model")
    model = load_proven(
        entry,
        [runtime_named(name) for name in settings.models.runtimes],
        threads=os.cpu_count() or 1,
        passed_over=lambda name, cause: step(f"{name} passed over: {cause}"),
        chosen=in_precision(settings.models.precision, Builds(settings.builds)),
    )
    return model.infer, model.runtime


def _ask_nobody(network: str, inputs: object) -> NoReturn:  # noqa: ARG001  # as networks are asked
    raise ModelError(f"no network {network}: this model comes as code or as a program")
