"""What a site may say about destinations, and what is refused with a reason."""

from pathlib import Path
from typing import Any

import pytest

from ops.certificates import watched_files
from ops.destinations import commitment_plans_of, destinations_of
from ops.peers import archives_in
from ops.settings import Settings, SettingsError, load
from worker.jobs.routing import Conditions

DICOM = 'name = "pacs"\nae_title = "PACS"\nhost = "h"\nport = 104\n'
WEB = 'kind = "dicomweb"\nname = "web"\n'
SENDER = 'kind = "sender"\nname = "back"\npeers = [{ ae_title = "CT1", host = "h", port = 1 }]\n'


def loaded(tmp_path: Path, *destinations: str) -> Settings:
    """Return the settings with these destinations."""
    file = tmp_path / "wetread.toml"
    file.write_text("".join(f"[[destinations]]\n{item}" for item in destinations))
    return load(file, {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DICOM + 'kind = "ftp"\n', ("destinations.0", "'dicom'", "'dicomweb'", "'folder'", "'sender'")),
        (DICOM + 'url = "https://a"\n', ("destinations.0.url: unknown key",)),
        (DICOM + 'superseded = "delete"\n', ("destinations.0.superseded", "'leave' or 'reject'")),
        (DICOM + 'commitment = "perhaps"\n', ("destinations.0.commitment", "required")),
        (DICOM + 'objects = ["REJECTION"]\n', ("no object to show", 'superseded = "reject"')),
        (DICOM + 'encodings = ["jpeg"]\n', ("encodings", "'as-made', 'explicit' or 'implicit'")),
        (WEB, ("destinations.0.dicomweb.url", "required")),
        (WEB + 'url = "ftp://a"\n', ("must start with https://",)),
        (WEB + 'url = "https://u:p@a/x"\n', ("must not name a user",)),
        (WEB + 'url = "http://pacs.example.org/x"\n', ("use https",)),
        (WEB + 'url = "https://a"\nuser = "u"\n', ("user and password belong together",)),
        (WEB + 'url = "https://a"\ntoken = "s3cret"\n', ("destinations.0.dicomweb.token",)),
        (WEB + 'url = "https://a"\ncertificate = "/c"\n', ("name both",)),
        (WEB + 'url = "https://a"\nurll = "x"\n', ("did you mean url?",)),
        ('kind = "folder"\nname = "f"\npath = "here"\n', ("must be absolute",)),
        (SENDER + "peers = []\n", ("",)),
        (SENDER.replace('"back"', '"a-name-far-too-long"'), ("at most 15 characters",)),
        (SENDER.replace("]\n", ', { ae_title = "CT1", host = "i", port = 2 }]\n'), ("a sender is listed twice",)),
        (DICOM + "[[destinations]]\n" + DICOM, ("two destinations have the same name",)),
    ],
)
def test_what_is_wrong_is_refused_by_name(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    """The message names the place and what is allowed, and shows no secret."""
    with pytest.raises(SettingsError) as refusal:
        loaded(tmp_path, text)
    for word in words:
        assert word in str(refusal.value)


def test_a_file_from_before_there_were_kinds_means_the_same(tmp_path: Path) -> None:
    """Without `kind` it is an archive by C-STORE, asked whose a study is, and not for commitment."""
    settings = loaded(tmp_path, DICOM)
    made = destinations_of(settings)["pacs"]
    assert (made.identity_check, made.encodings, made.commitment, made.withdraws) == (True, ("as-made",), "", False)
    assert not commitment_plans_of(settings)
    assert list(archives_in(settings)) == ["pacs"]


def test_each_sender_is_a_destination_of_its_own(tmp_path: Path) -> None:
    """With a name that no other can have, a queue of its own, and what it sent itself as its condition."""
    more = ', { ae_title = "CT 2", host = "i", port = 2, tls = { certificate = "/c", key = "/k" } }]\n'
    settings = loaded(tmp_path, SENDER.replace("]\n", more), DICOM)
    assert list(destinations_of(settings)) == ["back:CT1", "back:CT 2", "pacs"]
    one, two, pacs = settings.each_destination
    assert one.conditions == Conditions(senders=("CT1",))
    assert two.conditions == Conditions(senders=("CT 2",))
    assert pacs.conditions == Conditions()
    assert [(watched.use, watched.file) for watched in watched_files(settings)] == [("back:CT 2", Path("/c"))]
    assert not destinations_of(settings)["back:CT1"].identity_check
    # As `wetread up` hands them to its parts.
    file = tmp_path / "effective.json"
    file.write_text(settings.model_dump_json())
    assert load(file, {}) == settings


@pytest.mark.parametrize(("said", "wish"), [("true", "wanted"), ('"required"', "required"), ("false", "")])
def test_commitment_is_wanted_required_or_neither(tmp_path: Path, said: str, wish: str) -> None:
    """And only who is asked has a plan."""
    settings = loaded(tmp_path, f"{DICOM}commitment = {said}\n")
    assert destinations_of(settings)["pacs"].commitment == wish
    assert bool(commitment_plans_of(settings)) == bool(wish)


def test_a_folder_knows_of_no_patient(tmp_path: Path) -> None:
    """It is not asked whose a study is, and can take back what it got."""
    values: dict[str, Any] = {"kind": "folder", "name": "f", "path": str(tmp_path), "superseded": "delete"}
    made = destinations_of(Settings.model_validate({"destinations": [values]}))["f"]
    assert not made.identity_check
    assert made.withdraws
