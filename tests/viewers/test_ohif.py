"""What a radiologist sees of a read in OHIF: outlines in their colours, numbers in words, sentences, the picture."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import expect
from scipy.ndimage import distance_transform_edt

from models.findings import Reading
from tests.chest_reading import LUNGS, chest_card, chest_files, chest_reading
from tests.ohif import Viewer, chromium, ohif_folder, served
from tests.orthanc_server import OrthancServer
from tests.readings import case_of, load
from worker import results
from worker.gate import output_gate
from worker.selecting.other_series import OtherSeries

_ARTEFACTS = Path(__file__).resolve().parents[2] / "artefacts/ohif"
#: Of a segment over the image, which OHIF's users may change.
_LEAST_OPACITY = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class Opened:
    """A study in OHIF, opened once: that takes longer than all the tests.

    Attributes:
        viewer: It.
        reading: What the objects say.
        kinds: Of the objects that the archive holds beside the images.
    """

    viewer: Viewer
    reading: Reading
    kinds: tuple[str, ...]


@pytest.fixture(scope="module")
def opened(
    tmp_path_factory: pytest.TempPathFactory, shared_data: Path, free_port: Callable[[], int]
) -> Iterator[Opened]:
    """Eleven slices of a chest CT and the read of them, in OHIF."""
    ohif, folder = ohif_folder(), tmp_path_factory.mktemp("ohif")
    sources = chest_files(shared_data, folder / "source")
    series = load(folder / "source")
    reading = chest_reading(series, shared_data)
    # Its reports say so beside what is drawn.
    case = replace(case_of(series, reading, chest_card()), others=OtherSeries(series=1, images=11))
    objects = results.build(case)
    output_gate.check(objects, case)
    dicom_port, http_port, page_port = free_port(), free_port(), free_port()
    (folder / "orthanc").mkdir()
    orthanc = OrthancServer(
        folder / "orthanc", dicom_port=dicom_port, http_port=http_port, dicomweb_host=f"127.0.0.1:{page_port}"
    )
    orthanc.start()
    try:
        orthanc.take(sources)
        for made in objects:
            orthanc.rest("/instances", body=made.data)
        study = str(case.head.StudyInstanceUID)
        with served(ohif, page_port, orthanc.url) as address, chromium() as browser:
            viewer = Viewer(browser, address, study, _ARTEFACTS)
            yield Opened(viewer=viewer, reading=reading, kinds=tuple(made.kind for made in objects))
    finally:
        orthanc.stop()


def test_each_result_is_a_series_of_its_own(opened: Opened) -> None:
    """The study browser lists the images and each result once, the results as AI and as research."""
    told = opened.viewer.series
    assert len(told) == 1 + len(opened.kinds), told
    for kind in opened.kinds:
        assert sum(f"RESEARCH AI Test chest {kind}" in text for text in told) == 1, told


def test_check_12_a_segment_is_drawn_in_its_colour(opened: Opened) -> None:
    """A pixel inside each lung has that segment's colour, over the grey of the image; one outside has none."""
    opened.viewer.show("AI Test chest SEG", load=True)
    opened.viewer.open_panel("panelSegmentation")
    picture = np.asarray(opened.viewer.picture("seg"), np.float64)
    assert opened.reading.labels is not None
    for label in LUNGS:
        pixel = picture[on_screen(opened.viewer, deepest(opened.reading.labels == label.number))]
        opacities = opacity(pixel, label.colour_rgb)
        assert np.ptp(opacities) < 0.05, (label.name, pixel)
        assert opacities.mean() > _LEAST_OPACITY, (label.name, pixel)
    outside = picture[on_screen(opened.viewer, (256, 30))]
    assert np.ptp(outside) <= 2, outside
    for label in LUNGS:
        assert label.name in opened.viewer.text()
    assert opened.viewer.page_errors == []


def deepest(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the row and column that lie deepest within a structure on all slices, whichever one is shown."""
    depth = distance_transform_edt(mask.all(axis=0))
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    assert depth[row, column] > 4
    return int(row), int(column)


def on_screen(viewer: Viewer, place: tuple[int, int]) -> tuple[int, int]:
    """Return where a pixel of the image lies in the screenshot: OHIF fits the image into the middle of its frame."""
    box = viewer.page.locator("canvas.cornerstone-canvas").first.bounding_box()
    assert box is not None
    scale = min(box["width"], box["height"]) / 512
    y = box["y"] + box["height"] / 2 + (place[0] - 255.5) * scale
    x = box["x"] + box["width"] / 2 + (place[1] - 255.5) * scale
    return round(y), round(x)


def opacity(pixel: NDArray[np.float64], colour: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return how much of a colour lies over an unknown grey, from each pair of channels."""
    pairs = [(0, 1), (0, 2), (1, 2)]
    return np.array([(pixel[a] - pixel[b]) / (colour[a] - colour[b]) for a, b in pairs])


def test_check_13_a_diameter_is_drawn_and_told(opened: Opened) -> None:
    """The region report is drawn on its slice, with its numbers and their units in the page."""
    opened.viewer.show("AI Test chest REGION-SR", load=True)
    expect(opened.viewer.page.locator("body")).to_contain_text("Diameter: 12.00 mm")
    opened.viewer.picture("region-sr")
    assert opened.viewer.page_errors == []


def test_check_14_sentences_and_picture_are_visible(opened: Opened) -> None:
    """The text report's sentences can be read and the summary picture is drawn, without a page error."""
    opened.viewer.show("AI Test chest TEXT-SR")
    expect(opened.viewer.page.locator("body")).to_contain_text("not verified")
    opened.viewer.picture("text-sr")
    if "SC" in opened.kinds:
        opened.viewer.show("AI Test chest SC")
        picture = np.asarray(opened.viewer.picture("sc"), np.float64)
        assert picture.std() > 10
    assert opened.viewer.page_errors == []
