"""Heat maps as a Parametric Map."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from models.card.card_parts import Concept
from models.findings import HeatMap, Reading
from models.volume import Image
from tests.readings import PNEUMONIA, PNEUMOTHORAX, a_card, case_of, load
from worker.case.case import Case
from worker.errors import OutputRefused
from worker.gate import output_gate
from worker.gate.bundle import parsed
from worker.object_kinds import DEFAULT_KINDS
from worker.objects.object_encoding import encoded
from worker.objects.parametric_map import build_parametric_map, lut_labels
from worker.results import build
from worker.testing import write_mr_series

KINDS = (*DEFAULT_KINDS, "PMAP")


def case_with(folder: Path, maps: int) -> Case:
    """Return a reading of a small oblique series that has so many heat maps and nothing else."""
    write_mr_series(folder, oblique=True, slices=5)
    series = load(folder)
    values = np.random.default_rng(0).random((maps, 5, 32, 28), dtype=np.float32)
    concepts = (PNEUMONIA, PNEUMOTHORAX)[:maps]
    heat_maps = tuple(HeatMap(name=name, array=array) for name, array in zip(concepts, values, strict=True))
    return case_of(series, Reading(heat_maps=heat_maps, runtime="none"), a_card())


def parametric_map(case: Case) -> Dataset:
    """Return the parametric map among the results, read back from its bytes."""
    return parsed(next(made.data for made in build(case, KINDS) if made.kind == "PMAP"))


@pytest.mark.parametrize("maps", [1, 2])
def test_every_value_lies_on_its_source_under_its_concept(tmp_path: Path, maps: int) -> None:
    """Frame by frame the float values, the image they lie on and the coded quantity are those of the heat map."""
    case = case_with(tmp_path, maps)
    made = parametric_map(case)
    slices = {str(source.SOPInstanceUID): k for k, source in enumerate(case.series.datasets)}
    found = {heat_map.name.value: np.full_like(heat_map.array, -1) for heat_map in case.reading.heat_maps}
    for frame, pixels in zip(made.PerFrameFunctionalGroupsSequence, made.pixel_array.reshape(-1, 32, 28), strict=True):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        groups = frame if "RealWorldValueMappingSequence" in frame else made.SharedFunctionalGroupsSequence[0]
        (mapping,) = groups.RealWorldValueMappingSequence
        (unit,) = mapping.MeasurementUnitsCodeSequence
        assert (unit.CodeValue, mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == ("{ratio}", 1, 0)
        found[mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeValue][slices[source]] = pixels
    for heat_map in case.reading.heat_maps:
        assert np.array_equal(found[heat_map.name.value], heat_map.array)


def test_frames_of_two_heat_maps_have_indices_of_their_own(tmp_path: Path) -> None:
    """A viewer that sorts by dimension indices shows one heat map after the other."""
    made = parametric_map(case_with(tmp_path, 2))
    indices = [tuple(f.FrameContentSequence[0].DimensionIndexValues) for f in made.PerFrameFunctionalGroupsSequence]
    assert sorted(indices) == indices == [(heat_map, place) for heat_map in (1, 2) for place in range(1, 6)]


def named(*names: str) -> list[Concept]:
    """Return concepts of these names."""
    return [Concept(value=f"X{name}"[:16], scheme=f"99X{place}", meaning=name) for place, name in enumerate(names)]


def labels_in(made: Dataset) -> dict[str, str]:
    """Return the label of each heat map's frames by its explanation."""
    mappings = [frame.RealWorldValueMappingSequence[0] for frame in made.PerFrameFunctionalGroupsSequence]
    return {str(mapping.LUTExplanation): str(mapping.LUTLabel) for mapping in mappings}


def test_left_and_right_have_labels_of_their_own(tmp_path: Path) -> None:
    """A viewer tells heat maps apart by 16 characters; each keeps its own where the other one is not told."""
    both = named("Pleural effusion, left", "Pleural effusion, right")
    case = case_with(tmp_path, 2)
    card = a_card(
        labels=[],
        interpretation={
            "kind": "classification",
            "activation": "sigmoid",
            "classes": [{"name": concept.meaning, "concept": concept.model_dump()} for concept in both],
        },
    )
    maps = tuple(replace(one, name=name) for one, name in zip(case.reading.heat_maps, both, strict=True))
    expected = {
        "Pleural effusion, left, 0 to 1": "Pleural effusi 1",
        "Pleural effusion, right, 0 to 1": "Pleural effusi 2",
    }
    for of_card, told in ((a_card(), maps), (card, maps), (card, maps[::-1])):
        read = case_of(case.series, replace(case.reading, heat_maps=told), of_card)
        assert labels_in(parametric_map(read)) == expected
    alone = case_of(case.series, replace(case.reading, heat_maps=maps[1:]), card)
    mapping = build_parametric_map(alone).SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapping.LUTLabel == "Pleural effusi 2"


def test_no_two_labels_are_alike() -> None:
    """Neither by a number that another one has at its end already, nor by capital letters, nor beyond nine of them."""
    names = ["Pneumonia", "Pleural effusi 1", "Pleural effusion, left", "PLEURAL EFFUSION", "Pleural effusion"]
    names += [f"Enlarged lymph node of station {station}" for station in range(12)]
    labels = list(lut_labels(named(*names)).values())
    assert {"Pneumonia", "Pleural effusi 1", "Pleural effusi 2", "Enlarged lymp 12"} <= set(labels)
    assert len({label.casefold() for label in labels}) == len(names)
    assert max(map(len, labels)) <= 16


def test_values_from_0_to_1_are_shown_as_greys(tmp_path: Path) -> None:
    """By the default function a window of width 1 is black and white (PS3.3 C.11.2.1.2.1)."""
    made = parametric_map(case_with(tmp_path, 1))
    groups = [*made.SharedFunctionalGroupsSequence, *made.PerFrameFunctionalGroupsSequence]
    windows = [group.FrameVOILUTSequence[0] for group in groups if "FrameVOILUTSequence" in group]
    assert {(window.WindowCenter, window.WindowWidth, window.VOILUTFunction) for window in windows} == {
        (0.5, 1.0, "LINEAR_EXACT")
    }


def test_it_passes_the_gate_and_is_always_the_same(tmp_path: Path) -> None:
    """The gate takes it with the reports of the same read; twice built, not a bit differs."""
    case = case_with(tmp_path, 2)
    objects = build(case, KINDS)
    output_gate.check(objects, case)
    assert objects == build(case, KINDS)


def test_without_heat_maps_there_is_none(tmp_path: Path) -> None:
    """A destination that asked for parametric maps gets none of a read that has no heat map."""
    assert build_parametric_map(case_with(tmp_path, 0)) is None


def test_an_image_without_a_place_in_space_has_none(tmp_path: Path) -> None:
    """A radiograph's heat map is left out rather than placed somewhere."""
    case = case_with(tmp_path, 1)
    planar = replace(case.series, source=Image(array=case.reading.heat_maps[0].array, spacing_mm=None))
    assert build_parametric_map(replace(case, series=planar)) is None


def test_the_gate_holds_back_other_values(tmp_path: Path) -> None:
    """A parametric map of another heat map than the reading's is not sent, nor one beyond 0 to 1."""
    case = case_with(tmp_path, 1)
    (heat_map,) = case.reading.heat_maps
    for factor, told in ((0.5, "a frame differs"), (2.0, "a value is not from 0 to 1")):
        other = replace(case.reading, heat_maps=(replace(heat_map, array=heat_map.array * np.float32(factor)),))
        made = build_parametric_map(replace(case, reading=other))
        assert made is not None
        objects = [encoded(made, "PMAP") if each.kind == "PMAP" else each for each in build(case, KINDS)]
        with pytest.raises(OutputRefused, match=f"parametric map: {told}"):
            output_gate.check(objects, case)
