"""The conformance statement is what the code says."""

import ast
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from dicom_node import contexts
from dicom_node.messages.services import Status
from ops.reference.coded_terms import coded_terms
from ops.reference.conformance_acceptances import ACCEPTANCES, services
from ops.reference.conformance_activities import ACTIVITIES
from ops.reference.conformance_annexes import DICTIONARIES, accepted
from ops.reference.conformance_reference import BY_DICTIONARY, SECTIONS, overview, replaced

ROOT = Path(__file__).parents[4]
DOCUMENT = ROOT / "docs" / "conformance.md"
#: The headings of PS3.2's template, in its order.
CHAPTERS = (
    "## 1 Overview",
    "## 2 Contents",
    "## 3 Introduction",
    "## 4 Networking",
    "### 4.1 Implementation model",
    "### 4.2 The application entity",
    "### 4.3 Network interfaces",
    "### 4.4 Configuration",
    "## 5 Media interchange",
    "## 6 Support of character sets",
    "## 7 Security",
    "## 8 Annexes",
)


def test_the_document_has_the_tables_of_the_code() -> None:
    """docs/conformance.md is up to date; otherwise: make docs."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert replaced(document, SECTIONS) == document


def test_the_document_has_the_classes_and_codes_of_the_dictionaries() -> None:
    """Where the libraries are those that the document names; others know more classes, or name them otherwise."""
    document = DOCUMENT.read_text(encoding="utf-8")
    if any(f"{name} {version(name)}" not in document for name in DICTIONARIES):
        pytest.skip("made with other versions of the dictionaries")
    assert replaced(document, BY_DICTIONARY) == document


def test_its_chapters_are_those_of_the_template() -> None:
    """In the standard's order, so that it can be laid beside another one."""
    document = DOCUMENT.read_text(encoding="utf-8")
    places = [document.index(f"\n{chapter}") for chapter in CHAPTERS]
    assert places == sorted(places)


def test_every_section_is_marked_in_the_document() -> None:
    """A table that nobody has a place for would be left out in silence."""
    document = DOCUMENT.read_text(encoding="utf-8")
    for name in (*SECTIONS, *BY_DICTIONARY):
        assert document.count(f"<!-- begin {name}: made by `make docs` -->") == 1, name
        assert document.count(f"<!-- end {name} -->") == 1, name


def test_every_sop_class_that_the_code_names_is_in_the_overview() -> None:
    """What is added to `dicom_node.contexts` as a UID of its own must be told as used or as provided."""
    told = overview()
    named = {
        name: value
        for name, value in vars(contexts).items()
        if name.isupper() and isinstance(value, str) and value.startswith("1.2.840.10008.")
    }
    assert named.pop("MEDIA_STORAGE_DIRECTORY")  # never negotiated
    assert len(named) > 3
    assert [name for name, uid in named.items() if uid not in told and not name.startswith("_")] == []


def test_every_service_that_the_code_asks_for_is_an_activity() -> None:
    """The DIMSE requests that the sources send are those of the table."""
    told = {service for activity in ACTIVITIES for service in activity.services}
    assert {"send_c_find", "send_c_store"} <= told
    assert set(_requests()) == told


def test_the_node_accepts_storage_and_verification() -> None:
    """Asked by proposing every SOP class of the standard."""
    classes = accepted()
    assert {contexts.VERIFICATION, "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.66.4"} <= set(classes)
    assert contexts.STUDY_ROOT_FIND not in classes


def test_every_service_that_is_offered_is_told_with_who_may_use_it() -> None:
    """What a peer may be offered beside storage is an activity of acceptance, and nothing else is."""
    told = {uid for one in ACCEPTANCES for uid in one.sop_classes if one.role == "SCP"}
    assert told == {contexts.VERIFICATION, *services()}
    assert told == {uid for uid in accepted() if not contexts.is_storage(uid)}


def test_every_status_of_the_services_is_told() -> None:
    """In the table that says what a sender should do about it."""
    section = (
        DOCUMENT.read_text(encoding="utf-8")
        .partition("To N-ACTION, N-CREATE, N-SET and N-EVENT-REPORT:")[2]
        .partition("####")[0]
    )
    statuses = " ".join(line.split("|")[1] for line in section.splitlines() if line.startswith("|"))
    assert [status for status in Status if f"{status.code:04X}" not in statuses] == []


def test_codes_of_the_sources_are_found() -> None:
    """As attributes of pydicom's dictionaries, and as values, scheme and meaning."""
    terms = coded_terms()
    for term in (("DCM", "121071", "Finding"), ("SCT", "7771000", "Left"), ("LN", "28010-7", "ECG Report")):
        assert term in terms


def _requests() -> Iterator[str]:
    for package in ("dicom_node", "worker", "ops"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr.startswith(("send_c_", "send_n_")):
                    yield node.attr
