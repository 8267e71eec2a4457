"""One model reads folders of DICOM, without any daemon: what `wetread models run` does."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from pydicom.misc import is_dicom

from dicom_node.sources import files_below
from models.builds import Builds
from models.card_preparation import VolumePreparation
from models.catalog import CatalogEntry, ModelState
from models.errors import InputRefused, ModelError
from models.runtime import Infer
from models.runtimes import in_precision, load_proven, runtime_named
from ops.settings import Settings
from worker import output_gate, picture, results
from worker.case import Case
from worker.channel_series import load_channels
from worker.pipeline import recipe_digest
from worker.provenance import Provenance
from worker.reading_series import read_series
from worker.selection_rules import rules_of
from worker.site_filter import for_site


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
    entry: CatalogEntry, folders: list[Path], out: Path, settings: Settings, step: Callable[[str], None]
) -> list[Path]:
    """Read folders of DICOM, the first one's series and its channels', and return the files that were written to `out`.

    Raises ModelError, WorkerError, OSError.
    """
    if entry.state is not ModelState.READY:
        raise ModelError(entry.reason)
    groups = [
        [file for file in files_below([folder]) if is_dicom(file) and file.name != "DICOMDIR"] for folder in folders
    ]
    for folder, files in zip(folders, groups, strict=True):
        if not files:
            raise InputRefused(f"{folder} holds no DICOM file (none has DICM after 128 bytes)")
    step("reading the series")
    rules = rules_of(entry.card)
    series = load_channels(
        groups, max_voxels=settings.worker.max_voxels, same_frame_of_reference=rules.same_frame_of_reference
    )
    infer, ran = _loaded(entry, settings, step)
    step("inferring")
    found = read_series(entry.card, series.source, groups[0], infer, loud=True)
    reading = for_site(found, settings.report)
    runtime = found.runtime or ran
    step("encoding")
    provenance = Provenance(
        card=entry.card,
        model_digest=entry.digest,
        inputs_digest=series.inputs_digest,
        recipe_digest=recipe_digest(runtime, settings.report),
        read_at=datetime.now(UTC).astimezone(settings.report.zone),
        runtime=runtime,
    )
    case = Case.of(series, reading, provenance, settings.report)
    objects = results.build(case)
    output_gate.check(objects, case)
    out.mkdir(parents=True, exist_ok=True)
    written = [out / f"{made.kind.lower()}.dcm" for made in objects]
    for file, made in zip(written, objects, strict=True):
        file.write_bytes(made.data)
    picture_file = out / "picture.png"
    picture_file.write_bytes(picture.render(case))
    return [*written, picture_file]


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
