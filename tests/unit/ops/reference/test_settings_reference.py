"""The documentation of settings is what the code says."""

import tomllib
from pathlib import Path

from ops.reference.settings_reference import replaced, tables
from ops.settings import Settings

DOCUMENT = Path(__file__).parents[4] / "docs" / "configure.md"


def test_the_document_has_the_tables_of_the_code() -> None:
    """docs/configure.md is up to date; otherwise: make docs."""
    document = DOCUMENT.read_text(encoding="utf-8")
    assert replaced(document) == document


def test_every_setting_is_there() -> None:
    """No key of any section is left out."""
    told = tables()
    for key in (
        "data",
        "quiet_time_s",
        "lease_s",
        "identity_check",
        "enabled",
        "first_retry_s",
        "inside_container",
        "certificate_sha256",
    ):
        assert f"`{key}`" in told


def test_the_example_is_accepted() -> None:
    """The example in the document is a settings file that wetread takes."""
    example = DOCUMENT.read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    assert Settings.model_validate(tomllib.loads(example)).destinations[0].name == "pacs"
