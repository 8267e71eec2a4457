"""The settings file that we print is one that we take."""

import re
import tomllib

from typer.testing import CliRunner

from ops.cli import app
from ops.reference.settings_example import example
from ops.settings import Settings


def test_as_it_is_it_changes_nothing() -> None:
    """Printed and loaded, it gives the defaults."""
    printed = CliRunner().invoke(app, ["config", "example"])
    assert printed.exit_code == 0
    assert Settings.model_validate(tomllib.loads(printed.stdout)) == Settings()


def test_with_every_default_written_out_it_changes_nothing() -> None:
    """Each default is written as TOML takes it: uncommented, the file means the same."""
    lines = []
    table = ""
    for line in example().splitlines():
        bare = re.sub(r"^# ", "", line)
        if re.fullmatch(r"\[\[?[\w.]+\]\]?", bare):
            table = line
        if re.match(r"# \w+ = ", line) and not table.startswith("#") and not line.endswith("..."):
            lines.append(bare)
        elif line.startswith("["):
            lines.append(line)
    text = "\n".join(lines)
    assert text.count("=") > 30
    assert Settings.model_validate(tomllib.loads(text)) == Settings()


def test_every_key_is_there() -> None:
    """Each key of each section, with its description above it."""
    text = example()
    for name in (
        "min_certainty_percent",
        "language",
        "ae_title",
        "quiet_time_s",
        "not_read",
        "certificate_name",
        "handshake_timeout_s",
    ):
        assert re.search(rf"^## .+\n# {name} = ", text, re.MULTILINE), name
