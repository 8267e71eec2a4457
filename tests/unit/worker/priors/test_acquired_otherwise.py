"""Where one study alone names a contrast agent, or its slices were thicker, sizes may differ for that: it is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.unit.worker.priors.test_sampled_otherwise import METHOD, a_ball, taken
from worker.case.case import Case
from worker.case.prior import EarlierRead, Prior
from worker.case.prior_words import comparison_sentences
from worker.case.sentences import words_in
from worker.gate.bundle import content_items, name_of
from worker.instances.acquired import Acquired, acquired_in
from worker.languages import LANGUAGES, Language
from worker.priors.prior_changes import compare
from worker.series.series_depicted import acquired, sampling

AGENT = {"ContrastBolusAgent": "IOMERON 350"}
OVERLAPPING = {"SliceThickness": "5"}


def compared(case: Case, then: EarlierRead) -> Prior:
    """Compare a read with one of nearly a year before."""
    prior = compare(
        case.reading,
        then,
        studied_on=then.studied_on.replace(year=then.studied_on.year + 1),
        method=METHOD,
        sampling=sampling(case.series),
        acquired=acquired(case.series),
    )
    assert prior is not None
    return prior


@pytest.mark.parametrize(
    ("before", "today", "told"),
    [
        (AGENT, {}, "A contrast agent was named by the images then and is not now: sizes may differ by that alone."),
        ({}, AGENT, "A contrast agent is named by the images now and was not then: sizes may differ by that alone."),
        (
            {"ConvolutionKernel": "B30f"},
            {"ConvolutionKernel": ["Br59d", "3"]},
            "The reconstruction kernel was B30f then, Br59d / 3 now: sizes may differ by that alone.",
        ),
        (OVERLAPPING, {}, "Slices were 5.00 mm thick then, 1.25 mm now: sizes may differ by that alone."),
    ],
)
def test_a_difference_is_told_before_the_numbers(
    tmp_path: Path, before: dict[str, Any], today: dict[str, Any], told: str
) -> None:
    """And there is no doubling time."""
    then = taken(a_ball(tmp_path / "then", 1.25, attributes=before))
    prior = compared(a_ball(tmp_path / "now", 1.25, 14.0, seed=2, attributes=today), then)
    assert comparison_sentences(prior, words_in("en"))[1] == told
    assert prior.changes
    assert not any(change.doubling_days for change in prior.changes)


@pytest.mark.parametrize("attributes", [{}, AGENT, OVERLAPPING, {"ConvolutionKernel": "B30f"}])
def test_what_was_taken_alike_has_its_doubling_time(tmp_path: Path, attributes: dict[str, str]) -> None:
    """An agent twice, none twice, thick slices twice, one kernel."""
    then = taken(a_ball(tmp_path / "then", 1.25, attributes=attributes))
    prior = compared(a_ball(tmp_path / "now", 1.25, 14.0, seed=2, attributes=attributes), then)
    assert any(change.doubling_days for change in prior.changes)
    assert not any("alone" in line for line in comparison_sentences(prior, words_in("en")))


def test_thickness_is_not_told_beside_distances(tmp_path: Path) -> None:
    """Slices that lie further apart are thicker nearly always: one sentence is enough."""
    prior = compared(a_ball(tmp_path / "now", 5.0, seed=2), taken(a_ball(tmp_path / "then", 1.25)))
    assert prior.thickness is None
    assert sum("alone" in line for line in comparison_sentences(prior, words_in("en"))) == 1


@pytest.mark.parametrize("without", ["112225", "123011", "113961"])
def test_a_report_that_does_not_say_it_is_compared_as_before(tmp_path: Path, without: str) -> None:
    """As one of an earlier release: nobody can tell whether it differs."""

    def older(report: Dataset) -> None:
        for item in content_items(report):
            if "ContentSequence" in item:
                item.ContentSequence = [one for one in item.ContentSequence if name_of(one) != (without, "DCM")]

    kernel = {"ConvolutionKernel": "B30f"}
    attributes = {"112225": OVERLAPPING, "123011": AGENT, "113961": kernel}[without]
    then = taken(a_ball(tmp_path / "then", 1.25, attributes=attributes), older)
    prior = compared(a_ball(tmp_path / "now", 1.25, 14.0, seed=2, attributes={"ConvolutionKernel": "B70f"}), then)
    assert (prior.contrasted, prior.thickness, prior.kernels) == (None, None, None)
    assert any(change.doubling_days for change in prior.changes)


@pytest.mark.parametrize(
    ("attributes", "named"),
    [
        ({}, False),
        ({"ContrastBolusAgent": ""}, False),
        ({"ContrastBolusAgent": "NONE"}, False),
        ({"ContrastBolusAgent": "no contrast "}, False),
        ({"ContrastBolusAgent": "W/O CONTRAST"}, False),
        ({"ContrastBolusAgent": "without"}, False),
        ({"ContrastBolusAgent": "NONE GIVEN"}, False),
        ({"ContrastBolusAgent": "Ohne KM"}, False),
        ({"ContrastBolusAgent": "sans produit"}, False),
        ({"ContrastBolusAgent": "SIN_CONTRASTE"}, False),
        ({"ContrastBolusAgent": "Omnipaque"}, True),
        ({"ContrastBolusAgent": "NON-IONIC 350"}, True),
        ({"ContrastBolusAgent": "Sinerem"}, True),
        ({"ContrastBolusAgent": "APPLIED"}, True),
        ({"ContrastBolusAgentSequence": [Dataset()]}, True),
    ],
)
def test_an_agent_is_named_by_its_attribute(attributes: dict[str, Any], named: bool) -> None:  # noqa: FBT001
    """Devices write the module without a name, and words that say that there was none."""
    image = Dataset()
    for keyword, value in attributes.items():
        setattr(image, keyword, value)
    assert acquired_in(image) == Acquired(contrast=named)


@pytest.mark.parametrize("keyword", ["PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"])
@pytest.mark.parametrize(("said", "given"), [("NO", False), ("YES", True), ("", True)])
def test_a_frame_says_whether_the_agent_was_given_by_then(keyword: str, said: str, *, given: bool) -> None:
    """An enhanced image names it once, for frames of before and after; where they say nothing, its name counts."""
    usage, group, image = Dataset(), Dataset(), Dataset()
    usage.ContrastBolusAgentAdministered = said
    group.ContrastBolusUsageSequence = [usage]
    setattr(image, keyword, [group])
    image.ContrastBolusAgentSequence = [Dataset()]
    assert acquired_in(image).contrast is given


@pytest.mark.parametrize("keyword", ["PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"])
def test_an_enhanced_image_names_its_kernel_in_a_functional_group(keyword: str) -> None:
    """As PS3.3 C.8.15.3.6 has it."""
    reconstruction, group, image = Dataset(), Dataset(), Dataset()
    reconstruction.ConvolutionKernel = "FC03"
    group.CTReconstructionSequence = [reconstruction]
    setattr(image, keyword, [group])
    assert acquired_in(image).kernel == "FC03"


@pytest.mark.parametrize(("value", "kernel"), [("B\x1b30f", ""), ("  B30f ", "B30f"), (["Br40d", "3"], "Br40d / 3")])
def test_a_kernel_is_told_as_words(value: Any, kernel: str) -> None:
    """What is none is no kernel."""
    image = Dataset()
    image.ConvolutionKernel = value
    assert acquired_in(image).kernel == kernel


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_tells_which_was_which(tmp_path: Path, language: Language) -> None:
    """The two sentences about an agent are different ones, and neither is left in English."""
    then = Acquired(contrast=True, thickness_mm=5.0, kernel="B30f")
    now = Acquired(contrast=False, thickness_mm=1.0, kernel="B70f")
    case = a_ball(tmp_path / "now", 1.25, 14.0, seed=2)
    earlier = taken(a_ball(tmp_path / "then", 1.25))
    told = set()
    for before, today in ((then, now), (now, then)):
        prior = compare(
            case.reading,
            EarlierRead(**{**vars(earlier), "acquired": before}),
            studied_on=earlier.studied_on,
            method=METHOD,
            acquired=today,
        )
        assert prior is not None
        agent, thickness, kernel = comparison_sentences(prior, words_in(language))[1:4]
        told.add(agent)
        assert ("5" in thickness, "1" in thickness) == (True, True)
        assert kernel.index(before.kernel) < kernel.index(today.kernel)
    assert len(told) == 2
    foreign = not any("contrast agent" in line or "kernel was" in line for line in (*told, kernel))
    assert foreign or language == "en"


def test_a_scan_of_half_the_body_may_show_fewer_things(tmp_path: Path) -> None:
    """How far its slices reach is told where what is found is compared: the evidence lists as many as were read."""
    then = taken(a_ball(tmp_path / "then", 1.25))
    assert then.acquired.reach_mm == 60.0
    case = a_ball(tmp_path / "now", 1.25, seed=2)
    found = case.reading.detections[0].label
    gone = replace(case.reading, detections=(), instances=None, missing=(found,))
    told = "The slices reached over 60 mm then, 30 mm now: what is found may differ by that alone."
    for reading, reach_mm, is_told in ((gone, 30.0, True), (gone, 50.0, False), (case.reading, 30.0, False)):
        prior = compare(
            reading,
            then,
            studied_on=then.studied_on,
            method=METHOD,
            acquired=Acquired(contrast=False, reach_mm=reach_mm),
        )
        assert prior is not None
        assert (told in comparison_sentences(prior, words_in("en"))) is is_told


def test_nobody_knows_how_far_a_multi_frame_image_reached(tmp_path: Path) -> None:
    """The evidence lists one object."""

    def one_listed(report: Dataset) -> None:
        for study in report.CurrentRequestedProcedureEvidenceSequence:
            for series in study.ReferencedSeriesSequence:
                series.ReferencedSOPSequence = series.ReferencedSOPSequence[:1]

    assert taken(a_ball(tmp_path, 1.25), one_listed).acquired.reach_mm is None
