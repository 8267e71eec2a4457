"""One file, environment overrides, and errors that name the place, the key and what is allowed."""

from pathlib import Path

import pytest

from ops.settings import Settings, SettingsError, load


def written(tmp_path: Path, text: str) -> Path:
    """Return a settings file with this text."""
    file = tmp_path / "wetread.toml"
    file.write_text(text)
    return file


def test_the_defaults_are_safe() -> None:
    """Without any setting only this machine may connect, and the page is for this machine."""
    settings = load(None, {})
    assert settings.node.host == "127.0.0.1"
    assert settings.node.loopback
    assert not settings.node.peers
    assert not settings.node.promiscuous
    assert settings.web.host == "127.0.0.1"


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    """WETREAD_NODE__PORT is `port` under [node], whatever the file says."""
    file = written(tmp_path, "[node]\nport = 104\nae_title = 'FILE'\n")
    settings = load(file, {"WETREAD_NODE__PORT": "11113", "OTHER": "x"})
    assert (settings.node.port, settings.node.ae_title) == (11113, "FILE")


@pytest.mark.parametrize(
    ("text", "environ", "words"),
    [
        ("[node]\nprt = 5\n", {}, ("wetread.toml", "node.prt", "did you mean port?")),
        ("[wroker]\n", {}, ("wroker", "did you mean worker?")),
        ("[models]\npath = '/srv/models'\n", {}, ("models.path: must be a list, in brackets",)),
        ("[[destinations]]\nname='a'\nae_title='A'\nhost='h'\nport=1\nprot=2\n", {}, ("prot", "did you mean port?")),
        (
            "[[destinations]]\nname='a'\nae_title='A'\nhost='h'\nport=1\nobjects=['SEG','LABELMAP']\n",
            {},
            ("destinations.0.objects", "LABELMAP and SEG", "on top of each other", "name LABELMAP alone"),
        ),
        ("", {"WETREAD_NODE__QUIT_TIME_S": "3"}, ("node.quit_time_s", "did you mean quiet_time_s? Every key")),
        ("", {"WETREAD_NODE_PORT": "3"}, ("did you mean node.port", "WETREAD_NODE__PORT (two underscores)")),
        ("[node]\ncounts_from = 'pcas'\n", {}, ("counts_from", "'pcas'", "AE@host:port", "[[destinations]]")),
        (
            """
            destinations = [{name='a', ae_title='A', host='h', port=1}]
            node.peers = [{ae_title='A', hosts=['h.org'], counts_from='b'}]
            """,
            {},
            ("counts_from", "'b'", "allowed are AE@host:port, a"),
        ),
        ("[node]\nsettle_s = 0\n", {}, ("node.settle_s", "greater than 0")),
        ("[node]\nport = 99999\n", {}, ("node.port", "less than or equal to 65535")),
        ("[node]\nae_title = 'WAY TOO LONG A TITLE'\n", {}, ("node.ae_title", "16")),
        ("[web]\nhost = '0.0.0.0'\n", {}, ("loopback",)),
        ("[web]\nnames = ['https://a.example.org']\n", {}, ("web.names", "no host name", "without scheme")),
        ("[web]\nnames = ['a.example.org:80']\n", {}, ("web.names", "no host name", "port")),
        ("[web]\nnames = ['*']\n", {}, ("web.names", "no host name", "*")),
        ("[broker]\nurl = 'amqp://x'\n", {}, ("broker.url", "redis://")),
        ("[broker]\nurl = 'redis://h:6379/zero'\n", {}, ("broker.url", "database is no number", "such as /0")),
        ("[broker]\nurl = 'redis://:s3/cret@h:6379/0'\n", {}, ("broker.url", "port is no number", "percent-encode")),
        ("[broker]\nurl = 'redis://:12/cret@h:6379/0'\n", {}, ("broker.url", "behind the host", "percent-encode")),
        ("[broker]\nurl = 'redis://:12#cret@h:6379/0'\n", {}, ("broker.url", "behind the host", "percent-encode")),
        ("[broker]\nurl = 'redis+socket:///r.sock?virtual_host=x'\n", {}, ("broker.url", "?virtual_host=0")),
        ("[ledger]\nurl = 'mysql://x'\n", {}, ("ledger.url", "postgresql://")),
        (
            "[node]\ncounts_from = 'web'\n[[destinations]]\nname = 'web'\nkind = 'dicomweb'\nurl = 'https://a.example'\n",
            {},
            ("counts_from: no DICOM destination is named 'web'", "AE@host:port"),
        ),
        ("not toml", {}, ("wetread.toml", "not TOML")),
        ("", {"WETREAD_ENABLED": "true"}, ("enabled: unknown key", "allowed are", "broker")),
        ("node = 5\n", {"WETREAD_NODE__PORT": "104"}, ("WETREAD_NODE__PORT", "node is no table")),
        ("", {"WETREAD_NODE": "5", "WETREAD_NODE__PORT": "104"}, ("WETREAD_NODE__PORT", "node is no table")),
        ("[[destinations]]\n", {"WETREAD_DESTINATIONS__0__PORT": "1"}, ("destinations is no table", "file")),
        ("", {"WETREAD_DATA": ""}, ("WETREAD_DATA: data: is empty",)),
        ("data = '~nobody-of-this-name/x'\n", {}, ("wetread.toml: data", "knows no home of that user")),
        ("[retention]\nimages_days = 999999\n", {}, ("retention.images_days", "less than or equal to 36500")),
        ("[retention]\nevery_s = inf\n", {}, ("retention.every_s", "at most 1e+09")),
        ("node.peers = [{ae_title = 'A', hosts = ['h'], quiet_time_s = 1e300}]\n", {}, ("node.peers.0.quiet_time_s",)),
        ("a = " + "[" * 3000, {}, ("wetread.toml", "not TOML")),
    ],
)
def test_what_is_wrong_is_refused_by_name(
    tmp_path: Path, text: str, environ: dict[str, str], words: tuple[str, ...]
) -> None:
    """A wrong key, value or file names the place, the key, and the nearest right one or what is allowed."""
    with pytest.raises(SettingsError) as refusal:
        load(written(tmp_path, text), environ)
    for word in words:
        assert word in str(refusal.value)
    assert "cret" not in str(refusal.value)  # of a password
    assert "Value error" not in str(refusal.value)  # pydantic's words before ours


def test_a_wrong_variable_is_named_and_not_the_file(tmp_path: Path) -> None:
    """Who looks into the file would find nothing wrong there; what is wrong in the file is told beside it."""
    file = written(tmp_path, "[node]\nprt = 5\nport = 104\n")
    with pytest.raises(SettingsError) as refusal:
        load(file, {"WETREAD_NODE__PORT": "x", "WETREAD_WEB": "{ port = -1 }"})
    told = str(refusal.value)
    assert "WETREAD_NODE__PORT: node.port: " in told
    assert "WETREAD_WEB: web.port: " in told
    assert f"{file}: node.prt: unknown key" in told


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf[node]\nport = 104\n", b"[node]\r\nport = 104\r\n"])
def test_files_of_other_editors_are_read(tmp_path: Path, content: bytes) -> None:
    """A byte order mark, and lines that end as on Windows, are no part of the settings."""
    file = tmp_path / "wetread.toml"
    file.write_bytes(content)
    assert load(file, {}).node.port == 104


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://:s3%2Fcret@h:6379/3",
        "rediss://user:p@ss@h/0?ssl_cert_reqs=required",
        "redis+socket://:p@/run/redis.sock?virtual_host=0",
    ],
)
def test_a_broker_is_named_as_celery_names_it(url: str) -> None:
    """Port and database may be left out; a password may be encoded."""
    assert load(None, {"WETREAD_BROKER__URL": url}).broker.url == url


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """A path that does not exist is an error of ours, not a traceback."""
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "nothing.toml", {})


def test_what_up_writes_for_its_parts_is_the_same_settings(tmp_path: Path) -> None:
    """Parts that read the effective settings run with what `up` runs with."""
    settings = load(
        written(tmp_path, "[node]\nport = 104\n[models]\nenabled = ['a']\n"), {"WETREAD_DATA": str(tmp_path)}
    )
    file = tmp_path / "effective.json"
    file.write_text(settings.model_dump_json())
    assert load(file, {}) == settings


def test_a_value_of_the_environment_is_toml_where_it_parses() -> None:
    """Lists and numbers as in the file; other words as they are."""
    settings = load(None, {"WETREAD_MODELS__ENABLED": "['a', 'b']", "WETREAD_NODE__AE_TITLE": "READ 2"})
    assert (settings.models.enabled, settings.node.ae_title) == (("a", "b"), "READ 2")


def test_the_settings_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    """WETREAD_SETTINGS is the command line's word, not an unknown key; WETREAD_SEED is the torture's."""
    assert load(None, {"WETREAD_SEED": "7"}) == load(None, {})
    assert load(None, {"WETREAD_SETTINGS": str(tmp_path / "wetread.toml")}) == load(None, {})


def test_a_data_directory_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts run in other directories than the shell that named it; `~` is the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert load(None, {"WETREAD_DATA": "here"}).data == tmp_path / "here"
    assert load(None, {"WETREAD_DATA": "~/there"}).data == tmp_path / "home" / "there"


def test_sockets_have_short_paths(tmp_path: Path) -> None:
    """A data directory with a long name does not make sockets that no system takes; each has its own."""
    near, far = Settings(data=tmp_path / ("x" * 90)), Settings(data=tmp_path / ("y" * 90))
    assert len(str(near.run)) < 80
    assert near.run != far.run
    assert near.run == Settings(data=tmp_path / ("x" * 90)).run
