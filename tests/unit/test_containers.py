"""The compose file and the image say what is there. They are run by tests/integration/test_compose.py."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.catalog import BUILT_IN, CatalogEntry, ModelState, read_entry
from ops.settings import load
from tests.unit.ops.test_named_commands import complaint_about

ROOT = Path(__file__).parents[2]
#: Keys of a service in the compose specification that the file may use.
SERVICE_KEYS = set(
    "build cap_drop command depends_on environment healthcheck hostname image init ports read_only restart "  # noqa: SIM905
    "security_opt stop_grace_period tmpfs volumes".split()
)


@pytest.fixture
def compose() -> dict[str, Any]:
    """The parsed file, its anchors resolved."""
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed


def test_services_are_complete(compose: dict[str, Any]) -> None:
    """Node, deliver, worker, web, Redis and Orthanc are there, with keys that compose knows and an image each."""
    assert set(compose["services"]) == {"node", "deliver", "worker", "web", "redis", "orthanc"}
    assert {key for key in compose if not key.startswith("x-")} == {"services", "volumes"}
    for service in compose["services"].values():
        assert set(service) <= SERVICE_KEYS
        assert service["image"]


def test_what_is_referred_to_exists(compose: dict[str, Any]) -> None:
    """Volumes are declared, mounted files are in the repository, dependencies are services with a health check."""
    for service in compose["services"].values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (ROOT / source).is_file() if source.startswith(".") else source in compose["volumes"]
        for needed in service.get("depends_on", {}):
            assert "healthcheck" in compose["services"][needed]
    build = compose["services"]["node"]["build"]
    assert (ROOT / build["context"] / build["dockerfile"]).is_file()


def test_our_parts_have_a_host_name_each_and_no_right_of_root(compose: dict[str, Any]) -> None:
    """A name that stays, since what is half done in the data directory is known by it; they write nowhere else."""
    ours = {name: service for name, service in compose["services"].items() if service["image"].startswith("wetread")}
    assert {name: service["hostname"] for name, service in ours.items()} == {name: name for name in ours}
    for service in ours.values():
        assert (service["read_only"], service["cap_drop"], service["tmpfs"]) == (True, ["ALL"], ["/tmp"])  # noqa: S108
    dockerfile = (ROOT / "ops" / "containers" / "Dockerfile").read_text()
    assert re.findall(r"^USER (.+)$", dockerfile, re.MULTILINE) == ["10001"]


def test_the_builder_is_sent_what_is_copied_and_nothing_else() -> None:
    """A virtual environment, the repository's history and the demonstration's studies stay out of the build."""
    dockerfile = (ROOT / "ops" / "containers" / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    sources = {source.removeprefix("./") for line in copied for source in line.split()}
    ignoring = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignoring[0] == "*"
    assert {line.removeprefix("!") for line in ignoring if line.startswith("!")} == sources


def test_commands_are_commands_of_ours(compose: dict[str, Any]) -> None:
    """Each part's command is one of the console script's."""
    from ops.cli import app  # noqa: PLC0415  # the command line is only needed here

    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    for name in ("node", "deliver", "worker", "web"):
        assert compose["services"][name]["command"] == [name]
        assert name in known


def _built_in() -> list[CatalogEntry]:
    return [read_entry(file.parent) for file in sorted(BUILT_IN.glob("*/model.toml"))]


@pytest.mark.parametrize("file", ["docs/install.md", "docker-compose.yml"])
def test_every_model_that_lacks_its_weights_is_fetched(compose: dict[str, Any], file: str) -> None:
    """A fresh volume has no weights, so nothing would be read: the commands that fetch them are shown, and run."""
    dockerfile = (ROOT / "ops" / "containers" / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["wetread"]' in dockerfile  # so what follows the service is a command of ours
    incomplete = {entry.card.id for entry in _built_in() if entry.state is ModelState.INCOMPLETE}
    assert incomplete
    text = (ROOT / file).read_text()
    if file.endswith(".yml"):
        # Said in a sentence, which names the command once.
        assert "docker compose run --rm worker models fetch" in text
        assert all(model in text for model in incomplete)
        return
    typed = re.findall(r"^docker compose run --rm (\S+) (.+)$", text, re.MULTILINE)
    assert {service for service, _ in typed} <= set(compose["services"])
    assert [complaint_about(words.split()) for _, words in typed] == [""] * len(typed)
    assert {words for _, words in typed} == {f"models fetch {model}" for model in incomplete}
    assert text.index("models fetch", text.index("docker compose build")) < text.index("\ndocker compose up")


def test_the_containers_settings_are_accepted() -> None:
    """The settings file that is mounted is one that wetread takes, and its destination is the Orthanc beside it."""
    settings = load(ROOT / "ops" / "containers" / "settings.toml", {})
    assert settings.destinations[0].host == "orthanc"
    assert settings.broker.url.startswith("redis://redis:")
    assert settings.web.names == ("web",)  # the service's name, as others in the compose network call it


def test_the_image_holds_every_package() -> None:
    """The Dockerfile copies each import package and what the build needs."""
    text = (ROOT / "ops" / "containers" / "Dockerfile").read_text()
    for name in ("dicom_node", "models", "worker", "ops", "pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        assert name in text
        assert (ROOT / name).exists()
