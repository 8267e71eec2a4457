"""What a parametric map must say: the heat maps of the reading, voxel for voxel, between 0 and 1."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from worker.gate.bundle import Bundle
from worker.gate.content_checks import source_frame


def parametric_map(bundle: Bundle) -> Iterator[str]:
    """Every value is from 0 to 1; each heat map of the reading is there under its concept, slice for slice."""
    for made in bundle.parametric_maps:
        values = np.frombuffer(made.FloatPixelData, "<f4").reshape(-1, int(made.Rows), int(made.Columns))
        if not all(bool(np.all((frame >= 0) & (frame <= 1))) for frame in values):
            yield "a value is not from 0 to 1"
        if bundle.reading is None:
            continue
        heat_maps = {(heat_map.name.value, heat_map.name.scheme): heat_map for heat_map in bundle.reading.heat_maps}
        shared = made.SharedFunctionalGroupsSequence[0]
        slices: Counter[tuple[str, str]] = Counter()
        for frame, sent in zip(made.PerFrameFunctionalGroupsSequence, values, strict=True):
            mapping = frame.get("RealWorldValueMappingSequence") or shared.RealWorldValueMappingSequence
            quantity = mapping[0].QuantityDefinitionSequence[0].ConceptCodeSequence[0]
            name = (str(quantity.CodeValue), str(quantity.CodingSchemeDesignator))
            slices[name] += 1
            key = source_frame(frame)
            place = bundle.sources.slice_of.get(key) if key else None
            if name not in heat_maps or place is None or not np.array_equal(heat_maps[name].array[place], sent):
                yield "a frame differs from the heat map of the reading"
        if dict(slices) != {name: len(heat_map.array) for name, heat_map in heat_maps.items()}:
            yield "not every heat map is there with all its slices"
