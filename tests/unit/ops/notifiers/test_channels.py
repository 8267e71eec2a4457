"""Settings of channels: what is wrong is refused by name."""

import threading
from pathlib import Path

import pytest
import structlog

from ops.daemons import deliver_daemon
from ops.notifiers.channels import channels_of, in_clear
from ops.notifiers.mail import Mail
from ops.notifiers.mllp import Mllp
from ops.notifiers.webhook import Webhook
from ops.settings import SettingsError, load

WEBHOOK = '[[notifications]]\nkind = "webhook"\nname = "pager"\n'
MAIL = '[[notifications]]\nkind = "mail"\nname = "desk"\nhost = "mail.example.org"\nsender = "w@example.org"\n'
HL7 = '[[notifications]]\nkind = "hl7"\nname = "ris"\n'


def written(tmp_path: Path, text: str) -> Path:
    """Return a settings file with this text."""
    file = tmp_path / "wetread.toml"
    file.write_text(text)
    return file


def test_each_kind_has_its_client(tmp_path: Path) -> None:
    """Three channels, each with its rule."""
    text = (
        f'{WEBHOOK}url = "https://pager.example.org"\ntoken = {{ env = "PAGER" }}\n'
        f'{MAIL}to = ["a@example.org"]\nstep = 2\nabout = ["critical", "overdue"]\n'
        f'{HL7}host = "192.0.2.9"\npatient_data = true\ntls = true\nca_file = "/ca.pem"\n'
    )
    channels = channels_of(load(written(tmp_path, text), {}))
    assert [type(channel.client) for channel in channels.values()] == [Webhook, Mail, Mllp]
    assert (channels["desk"].rule.step, channels["desk"].rule.about) == (2, ("critical", "overdue"))
    assert [channel.rule.patient_data for channel in channels.values()] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f'{WEBHOOK}urll = "https://a"\n', ("notifications.0.webhook.urll", "did you mean url?")),
        (f"{WEBHOOK}", ("notifications.0.webhook.url", "required")),
        (f'{WEBHOOK}url = "ftp://a"\n', ("https://",)),
        (f'{WEBHOOK}url = "http://a.example.org"\npatient_data = true\n', ("patient_data", "https://")),
        (f'{WEBHOOK}url = "http://a.example.org"\ntoken = {{ env = "A" }}\n', ("token", "https://")),
        (f'{WEBHOOK}url = "https://a"\ntoken = "s3cret"\n', ("notifications.0.webhook.token",)),
        (f'{WEBHOOK}url = "https://a"\ntoken = {{}}\n', ("either file",)),
        (f'{WEBHOOK}url = "https://a"\ntoken = {{ env = "WETREAD_TOKEN" }}\n', ("WETREAD_", "another name")),
        (f'{WEBHOOK}url = "https://a"\ntoken = {{ fil = "x" }}\n', ("token.fil", "did you mean file?")),
        (f'{WEBHOOK}url = "https://a"\nabout = ["all"]\n', ("about", "'critical' or 'overdue'")),
        (f'{WEBHOOK}url = "https://a"\nstep = 0\n', ("step", "1")),
        (f'{WEBHOOK}url = "https://a"\n{WEBHOOK}url = "https://b"\n', ("same name",)),
        (f'{MAIL}to = ["nobody"]\n', ("notifications.0.mail.to",)),
        (f'{MAIL}to = ["a@b"]\nuser = "u"\n', ("user and password",)),
        (f'{MAIL}to = ["a@b"]\nsecurity = "none"\npatient_data = true\n', ("starttls",)),
        (f'{HL7}host = "h"\nsending_application = "A|B"\n', ("notifications.0.hl7.sending_application",)),
        (f'{HL7}host = "h"\nca_file = "/ca.pem"\n', ("ca_file", "tls = true")),
        (f'{HL7}host = "h"\npatient_data = true\n', ("patient_data", "tls = true", "plain = true")),
        (f'{HL7}host = "h"\ntls = true\nplain = true\n', ("exclude each other",)),
        ('[[notifications]]\nkind = "sms"\n', ("notifications.0", "'webhook', 'mail', 'hl7'")),
        ("[notifying]\nescalate_after = 3\n", ("did you mean escalate_after_s?",)),
    ],
)
def test_what_is_wrong_is_refused_by_name(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    """The key, and the right one or what is allowed; never a secret that was put into the wrong place."""
    with pytest.raises(SettingsError) as refusal:
        load(written(tmp_path, text), {})
    for word in words:
        assert word in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("channel", "shown"),
    [
        ('host = "192.0.2.9"\npatient_data = true\nplain = true\n', ("ris",)),
        ('host = "192.0.2.9"\npatient_data = true\ntls = true\n', ()),
        ('host = "192.0.2.9"\nplain = true\n', ()),
        ('host = "127.0.0.1"\npatient_data = true\n', ()),
    ],
)
def test_a_channel_that_shows_patients_is_warned_of_at_each_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channel: str, shown: tuple[str, ...]
) -> None:
    """HL7 without TLS to another host is what a site may want all the same, and is told each time."""
    stopped = threading.Event()
    stopped.set()
    monkeypatch.setattr(deliver_daemon, "stop_on_signals", lambda: stopped)
    settings = load(written(tmp_path, HL7 + channel), {"WETREAD_DATA": str(tmp_path / "d")})
    assert in_clear(settings) == shown
    for _ in range(2):
        with structlog.testing.capture_logs() as said:
            deliver_daemon.run(settings)
        told = [event["channels"] for event in said if event["event"] == "patients' names are told without TLS"]
        assert told == ([shown] if shown else [])
