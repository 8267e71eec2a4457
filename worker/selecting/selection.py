"""Which models read which series of a study, and why not. Pure: a card and a summary in, a choice out."""

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from models.card.card_preparation import VolumePreparation
from models.card.manifest import Card
from models.errors import CardError
from worker.instances.inputs_digest import by_folder
from worker.selecting.image_versions import first_version
from worker.selecting.other_series import NO_OTHERS, OtherSeries
from worker.selecting.selection_rules import Preference, SeriesRules, rules_of
from worker.selecting.selection_summary import SeriesSummary, StudySummary
from worker.selecting.tag_rules import TagRule
from worker.text_patterns import is_in

#: PS3.3 C.7.3.1.1.1.
_MODALITY = re.compile("[A-Z0-9]{2,8}")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What selection decided for one model.

    Attributes:
        model_id: The card's id.
        runs: Whether it reads the study.
        series_instance_uid: Of the series that it reads.
        files: Of that series, relative to the spool.
        reason: Why this one, or why none.
        held: Why an admin must look before it is read; empty where nothing speaks against it.
        others: What the study has beside what is read.
    """

    model_id: str
    runs: bool
    series_instance_uid: str | None = None
    files: tuple[str, ...] = ()
    reason: str
    held: str = ""
    others: OtherSeries = NO_OTHERS


def choose(card: Card, study: StudySummary, *, research: bool = True, read_before: Sequence[str] = ()) -> Choice:
    """Choose the series that a model reads: of those that fit the best by the card's preference.

    Of equals the one that it has read of this study before, so that nothing but better images changes what is
    measured; else the one with the first UID. A card whose rules are wrong chooses nothing and says why: one bad card
    must not keep studies from the other models.

    Args:
        card: Of the model.
        study: As it is now.
        research: Whether models for research run.
        read_before: `Choice.files` of the model's earlier read of this study.
    """
    reason = _why_not_this_patient(card, study, research=research)
    if reason:
        return Choice(model_id=card.id, runs=False, reason=reason)
    try:
        rules = rules_of(card)
    except CardError as error:
        return Choice(model_id=card.id, runs=False, reason=str(error))
    names = channel_names(card)
    folders = [group[0].parent for group in by_folder([Path(file) for file in read_before])]
    # What a series was read as counts: of two equal ones, one may have been the first and the other its channel.
    before = dict(zip_longest(("", *names), folders[: 1 + len(names)]))
    first = _best(rules, study.series, before[""])
    if isinstance(first, str):
        return Choice(model_id=card.id, runs=False, reason=first)
    chosen, why, equal = [first.series], first.why, list(first.others)
    for name in names:
        taken = {series.series_instance_uid for series in chosen}
        free = [series for series in study.series if series.series_instance_uid not in taken]
        found = _best(rules.channels[name], free, before[name]) if free else "the study has no further series"
        if isinstance(found, str):
            return Choice(model_id=card.id, runs=False, reason=f"channel {name}: {found}")
        chosen.append(found.series)
        equal += found.others
        why += f"; channel {name}: {found.why}"
    return Choice(
        model_id=card.id,
        runs=True,
        series_instance_uid=first.series.series_instance_uid,
        # Of one series after the other, the first one's first: a file's folder says which series it is of.
        files=tuple(file for series in chosen for file in series.files),
        reason=why,
        held="; ".join(_contradiction(series) for series in chosen if series.disputed),
        others=_others(equal, chosen),
    )


def images_read(card: Card) -> tuple[TagRule | None, ...]:
    """Return which images are read of each series, the first one first; None for all. Raises CardError."""
    rules = rules_of(card)
    return (rules.images, *(rules.channels[name].images for name in channel_names(card)))


@dataclass(frozen=True, kw_only=True)
class _Found:
    series: SeriesSummary
    why: str
    others: tuple[SeriesSummary, ...]


def channel_names(card: Card) -> tuple[str, ...]:
    """Return the names of the further series that a model reads beside its first."""
    return card.preparation.channels if isinstance(card.preparation, VolumePreparation) else ()


def _best(rules: SeriesRules, candidates: Sequence[SeriesSummary], before: Path | None) -> _Found | str:
    """Return the best series by the rules, of equals the one whose files lie in `before`, or why there is none."""
    refused, fitting = [], []
    for whole in candidates:
        series = whole if rules.images is None else whole.only(rules.images)
        against = next(_objections(rules, series), None)
        if against is None:
            fitting.append(series)
        else:
            refused.append(f"series {series.series_instance_uid}: {against}")
    if not fitting:
        return "; ".join(refused) or "the study has no series"
    best = min(fitting, key=lambda one: (_rank(rules, one), not _is_in(one, before), one.series_instance_uid))
    why = "the only series that fits" if len(fitting) == 1 else f"the best of {len(fitting)} series that fit"
    equal = [one for one in fitting if _rank(rules, one) == _rank(rules, best)]
    if len(equal) > 1:
        told = "was read before" if _is_in(best, before) else "has the first UID"
        why += f" ({len(equal)} of them equally well, of which this {told})"
    if best.left_out:
        why += f", {best.images} of its {best.images + best.left_out} images: those with {rules.images}"
    # Images without a place in space are another view each, or another clip: none is a better copy of another.
    as_well = fitting if not best.orientation else equal
    return _Found(series=best, why=why, others=tuple(one for one in as_well if one is not best))


def _is_in(series: SeriesSummary, folder: Path | None) -> bool:
    return folder is not None and any(Path(file).parent == folder for file in series.files)


def _others(equal: Sequence[SeriesSummary], chosen: Sequence[SeriesSummary]) -> OtherSeries:
    read = {series.series_instance_uid for series in chosen}
    unread = {one.series_instance_uid: len(one.files) for one in equal if one.series_instance_uid not in read}
    # What a channel leaves out is not missed in the series that is read.
    return OtherSeries(series=len(unread), images=sum(unread.values()), left_out=chosen[0].left_out)


def _contradiction(series: SeriesSummary) -> str:
    file, *more = series.disputed
    others = f" and {len(more)} more" if more else ""
    zeros = (
        " The earlier one holds nothing but zeros where it differs: a power cut may have damaged it here."
        * series.zeroed
    )
    return (
        f"series {series.series_instance_uid}: an image came again with other pixels, or another place, side or scale "
        f"({file}{others}); which one is right?{zeros} `wetread retry` reads the newest, `wetread cancel` reads none"
    )


def input_key(choice: Choice) -> str:
    """Return a digest of what a model reads: another one is another input.

    A file's name changes with its bytes, and a header that was corrected is no other input.
    """
    names = choice.files if choice.held else map(first_version, choice.files)
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def _why_not_this_patient(card: Card, study: StudySummary, *, research: bool) -> str:
    if card.research and not research:
        return "a research model, and models.research is off"
    if study.patient_ids > 1:
        return "two patient ids in one study"
    rule = card.patient
    if study.age_years is None:
        limited = rule.age_years.min is not None or rule.age_years.max is not None
        if limited and rule.missing_age == "refuse":
            return "the patient's age is not known, and the model's card limits it"
    elif study.age_years not in rule.age_years:
        return f"the patient's age is outside the card's {rule.age_years} years"
    if rule.sex and study.sex not in rule.sex:
        return f"the patient's sex is not among the card's {', '.join(rule.sex)}"
    return ""


def _objections(rules: SeriesRules, series: SeriesSummary) -> Iterator[str]:
    """Say what speaks against a series, the plainest first."""
    yield from _file_objections(rules, series)
    yield from _kind_objections(rules, series)
    yield from _extent_objections(rules, series)
    if rules.where is not None and not rules.where.holds(series.tag_values):
        yield f"the card asks for {rules.where}"


def _file_objections(rules: SeriesRules, series: SeriesSummary) -> Iterator[str]:
    if series.own:
        yield "made by wetread"
    if series.unreadable:
        yield f"{len(series.unreadable)} files cannot be parsed, the first is {series.unreadable[0]}"
    if series.left_out and not series.files:
        yield f"it has no image with {rules.images}"


def _kind_objections(rules: SeriesRules, series: SeriesSummary) -> Iterator[str]:
    if rules.modality and series.modality.upper() not in rules.modality:
        # What is no such code may be anything, and reasons stand in logs and on pages.
        own = series.modality if _MODALITY.fullmatch(series.modality) else "unknown"
        yield f"modality {own}, not {' or '.join(rules.modality)}"
    if rules.sop_classes and not set(series.sop_classes) <= set(rules.sop_classes):
        yield "another kind of object"
    if series.images < rules.min_slices:
        yield f"{series.images} slices, at least {rules.min_slices} needed"
    if rules.max_slices is not None and series.images > rules.max_slices:
        yield f"{series.images} slices, at most {rules.max_slices} allowed"
    excluded = set(rules.image_type_excludes) & {word.upper() for word in series.image_types}
    if excluded:
        yield f"image type {', '.join(sorted(excluded))}"
    if any(is_in(pattern, series.series_description) for pattern in rules.description_excludes):
        yield "its description is excluded by the card"
    if (
        rules.body_part_examined
        and series.body_part_examined
        and series.body_part_examined.upper() not in rules.body_part_examined
    ):
        yield "another body part"


def _extent_objections(rules: SeriesRules, series: SeriesSummary) -> Iterator[str]:
    if rules.orientation and series.orientation not in rules.orientation:
        yield f"orientation {series.orientation or 'unknown'}, not {' or '.join(rules.orientation)}"
    if rules.max_slice_spacing_mm is not None:
        if series.slice_spacing_mm is None:
            yield "no slice spacing: positions are missing"
        elif series.slice_spacing_mm > rules.max_slice_spacing_mm:
            allowed = f"at most {rules.max_slice_spacing_mm:g} mm allowed"
            yield f"slices up to {series.slice_spacing_mm:.6g} mm apart, {allowed}"
    if rules.min_coverage_mm is not None and (series.coverage_mm or 0.0) < rules.min_coverage_mm:
        yield f"covers {series.coverage_mm or 0.0:.6g} mm, at least {rules.min_coverage_mm:g} mm needed"


def _rank(rules: SeriesRules, series: SeriesSummary) -> tuple[float, ...]:
    ranks: dict[Preference, float] = {
        "thinnest-slices": series.slice_spacing_mm or math.inf,
        "thickest-slices": -(series.slice_spacing_mm or 0.0),
        "most-images": -series.images,
        "fewest-images": series.images,
        "largest-coverage": -(series.coverage_mm or 0.0),
    }
    return tuple(ranks[wish] for wish in rules.prefer)
