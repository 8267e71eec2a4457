"""The console script: help for every command, errors in one message, and what became of jobs."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner, Result

from dicom_node.archives.archive import DicomArchive
from dicom_node.errors import CertificateUnusable
from dicom_node.tls_settings import TlsClientSettings
from models.testing import write_threshold_model
from ops import cli
from ops.commands.cli_tls import with_tls
from ops.peers import parse_peer
from ops.settings import SettingsError
from tests.certificates import Authority
from tests.filled_ledger import add_study, fill_a_day, job_id_in, open_views
from worker.jobs.job import JobState
from worker.ledger.tables import Peer as PeerRecord


def _commands(command: object, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command that help shows."""
    inner: dict[str, object] = getattr(command, "commands", {})
    if not inner:
        yield name
    for word, one in inner.items():
        if not getattr(one, "hidden", False):
            yield from _commands(one, (*name, word))


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """A data directory whose ledger holds a day."""
    ledger = open_views(tmp_path)
    fill_a_day(ledger)
    ledger.close()
    return tmp_path


def ask(data: Path, *words: object) -> Result:
    """Run a command on a data directory."""
    return CliRunner().invoke(cli.app, [*map(str, words), "--data", str(data)])


def job_in(data: Path, state: JobState) -> int:
    """Return the first job of a state."""
    ledger = open_views(data)
    try:
        return job_id_in(ledger, state)
    finally:
        ledger.close()


def state_of(data: Path, job: int) -> str:
    """Return a job's state as `wetread jobs --json` says it."""
    rows = json.loads(ask(data, "jobs", "--json").stdout)
    return str(next(row["state"] for row in rows if row["id"] == job))


def failure(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Run a command as the console script does; return what it prints as it fails."""
    monkeypatch.setattr("sys.argv", ["wetread", *map(str, words)])
    monkeypatch.setattr("os.umask", lambda mode: mode)  # the tests' own process keeps its umask
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capsys.readouterr()
    assert end.value.code == 1
    assert told.out == ""
    assert "Traceback" not in told.err
    return told.err


@pytest.mark.parametrize("words", sorted(_commands(get_command(cli.app))), ids=" ".join)
def test_every_command_shows_an_example(words: tuple[str, ...]) -> None:
    """Help says what a command does, and how it is typed: `wetread` and the command's own words."""
    shown = CliRunner().invoke(cli.app, [*words, "--help"])
    assert shown.exit_code == 0
    assert f"Example: wetread {' '.join(words)}" in " ".join(shown.stdout.split())


@pytest.mark.parametrize("words", [(), ("models",), ("config",), ("ledger",)], ids=" ".join)
def test_lists_of_commands_cut_no_sentence_off(words: tuple[str, ...]) -> None:
    """What a command is for is one sentence, whole also where a terminal has 80 columns."""
    shown = CliRunner().invoke(cli.app, [*words, "--help"], terminal_width=80)
    assert "Commands:" in shown.stdout
    assert "..." not in shown.stdout.partition("Commands:")[2]


def test_the_version_is_told() -> None:
    """It is the package's, as on the page and in each result."""
    assert CliRunner().invoke(cli.app, ["--version"]).stdout == f"wetread {version('wetread')}\n"


def test_a_folder_that_cannot_be_made_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it is told before anything is read."""
    (tmp_path / "file").touch()
    assert "Not a directory" in failure(monkeypatch, capsys, "demo", "--out", tmp_path / "file" / "out")


def test_a_peer_that_does_not_answer_may_want_tls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], free_port: Callable[[], int]
) -> None:
    """To who calls without, a port with TLS is silent."""
    assert "is that a port without TLS?" in failure(monkeypatch, capsys, "echo", f"NODE@127.0.0.1:{free_port()}")


def test_no_command_is_missing() -> None:
    """What the documentation names is there."""
    words = {" ".join(one) for one in _commands(get_command(cli.app))}
    assert words >= {
        *("up", "node", "deliver", "worker", "web", "demo", "echo", "send", "config check"),
        *("jobs", "job", "retry", "waive", "cancel", "release-hold", "force-complete"),
        *("models list", "models check", "models fetch", "models import", "models run"),
    }


def test_a_peer_is_read() -> None:
    """AE title, host and port, also with a v6 address and a title with a space."""
    peer = parse_peer("MY PACS@pacs.example.org:104")
    assert (peer.ae_title, peer.host, peer.port) == ("MY PACS", "pacs.example.org", 104)


@pytest.mark.parametrize(
    "text", ["PACS", "PACS@host", "host:104", "A@h:99999", "A@h:0", "A TITLE TOO LONG BY FAR@h:1", "A\\B@h:1", "@h:1"]
)
def test_what_is_no_peer_is_refused(text: str) -> None:
    """The message shows how one is written."""
    with pytest.raises(SettingsError, match="AE@host:port"):
        parse_peer(text)


def test_echo_without_a_peer_asks_our_own_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a container's health check is one command, whatever the AE title and port are."""
    asked: list[str] = []
    monkeypatch.setattr(DicomArchive, "echo", lambda archive: asked.append(str(archive._requestor)))
    monkeypatch.setenv("WETREAD_NODE__PORT", "11999")
    assert ask(tmp_path, "echo").stdout == "WETREAD answers\n"
    assert asked == ["WETREAD@127.0.0.1:11999"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("echo", "nonsense"), "'nonsense' is no peer: write AE@host:port"),
        (("echo", "A@127.0.0.1:99999"), "is no peer"),
        (("echo", "A@127.0.0.1:9", "--calling", "A TITLE TOO LONG BY FAR"), "is no AE title"),
        (("send", __file__, "--to", "A@127.0.0.1:9", "--calling", "A\\B"), "is no AE title"),
        (("jobs",), "no ledger at"),
        (("models", "check", "no-such-model"), "no-such-model"),
        (("models", "fetch", "no-such-model"), "no-such-model"),
    ],
)
def test_an_error_is_one_message(
    words: tuple[str, ...],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Our own errors say what is wrong on standard error, without a traceback, and the exit code is 1."""
    monkeypatch.setenv("WETREAD_DATA", str(tmp_path / "data"))
    message = failure(monkeypatch, capsys, *words)
    assert message.startswith("wetread: ")
    assert told in message


def test_a_wrong_settings_file_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file, the key and the nearest right one."""
    file = tmp_path / "wetread.toml"
    file.write_text("[node]\nprt = 1\n")
    message = failure(monkeypatch, capsys, "config", "check", "--settings", file)
    assert f"{file}: node.prt: unknown key, did you mean port?" in message


def test_a_data_directory_that_cannot_be_made_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file stands where the directory is to be: the message names it and the setting."""
    (tmp_path / "file").touch()
    message = failure(monkeypatch, capsys, "deliver", "--data", tmp_path / "file" / "data")
    assert str(tmp_path / "file") in message
    assert "--data" in message


def test_a_ledger_that_is_none_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another file under the ledger's name is told, not shown as a traceback of the database."""
    (tmp_path / "ledger.sqlite3").write_bytes(b"no database at all, but some text" * 100)
    assert failure(monkeypatch, capsys, "jobs", "--data", tmp_path).startswith("wetread: ")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret@127.0.0.1:6379/0",
        "rediss://user:s3%2Fcret@redis.example.org/0",
        "redis://:s3@cret@redis.example.org/0",
        'redis://:s3"cret@redis.example.org/0',
        "redis+socket://:s3cret@/run/redis.sock?virtual_host=0",
        "redis://redis.example.org/0?password=s3cret",
    ],
)
def test_config_check_masks_passwords(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed for a person can be shown to another one."""
    monkeypatch.setenv("WETREAD_BROKER__URL", url)
    # SQLAlchemy takes a password with a slash that nobody has encoded.
    monkeypatch.setenv("WETREAD_LEDGER__URL", f"postgresql{url[url.index('://') :]}".replace("%2F", "/"))
    shown = ask(tmp_path, "config", "check")
    assert shown.exit_code == 0
    assert "cret" not in shown.stdout.replace("patient_secret", "")
    printed = json.loads(shown.stdout)
    assert "***" in printed["broker"]["url"]
    assert "***" in printed["ledger"]["url"]


def test_config_check_loads_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be used is told before a daemon needs it."""
    for key in ("certificate", "key", "ca"):
        monkeypatch.setenv(f"WETREAD_NODE__TLS__{key.upper()}", str(tmp_path / f"{key}.pem"))
    shown = ask(tmp_path, "config", "check")
    assert shown.exit_code == 1
    assert isinstance(shown.exception, CertificateUnusable)
    assert str(tmp_path / "certificate.pem") in str(shown.exception)


def test_a_peer_is_called_with_tls_where_an_option_says_so(tmp_path: Path) -> None:
    """A certificate without its key is refused in the words of the options."""
    peer, file = parse_peer("PACS@pacs.example.org:2762"), tmp_path / "a.pem"
    assert with_tls(peer, None, None, None).tls is None
    assert with_tls(peer, file, None, None).tls == TlsClientSettings(ca=file)
    assert with_tls(peer, None, file, file).tls == TlsClientSettings(certificate=file, key=file)
    with pytest.raises(SettingsError, match="--tls-certificate and --tls-key belong together"):
        with_tls(peer, file, file, None)


def test_config_check_warns_of_a_revocation_list_that_has_expired(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be loaded, and lets no caller with a certificate in; the settings are printed all the same."""
    pair = authority.issue("node")
    tls = {"CERTIFICATE": pair.certificate, "KEY": pair.key, "CA": authority.file}
    for name, file in {**tls, "CRL": authority.revocation_list(days=-1)}.items():
        monkeypatch.setenv(f"WETREAD_NODE__TLS__{name}", str(file))
    shown = ask(tmp_path, "config", "check")
    assert shown.exit_code == 0
    assert json.loads(shown.stdout)["node"]["tls"]
    assert "warning: the revocation list of node has expired; docs/operate.md" in shown.stderr


def test_config_check_shows_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's overrides and the data directory, as the parts would see them."""
    monkeypatch.setenv("WETREAD_NODE__PORT", "10400")
    printed = json.loads(ask(tmp_path, "config", "check").stdout)
    assert (printed["node"]["port"], printed["data"]) == (10400, str(tmp_path))


def test_jobs_lists_states_and_reasons(day: Path) -> None:
    """Newest first; a job is delivered only when every result is accepted."""
    rows = json.loads(ask(day, "jobs", "--json").stdout)
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    assert [row["delivered"] for row in rows if row["state"] == "read"] == [False, False, True]
    assert any("gap of 12.5 mm" in row["reason"] for row in rows)
    assert {row["priority"] for row in rows} <= {"stat", "urgent", "routine", "backlog"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", row["queued_at"]) for row in rows)
    assert "queued" in ask(day, "jobs").stdout


def test_jobs_can_be_narrowed(day: Path) -> None:
    """By state, and by number."""
    failed = json.loads(ask(day, "jobs", "--state", "failed", "--json").stdout)
    assert [row["state"] for row in failed] == ["failed"]
    assert len(json.loads(ask(day, "jobs", "--limit", 2, "--json").stdout)) == 2
    for number in (0, -1, 10**30):
        refused = ask(day, "jobs", "--limit", number)
        assert refused.exit_code == 2
        assert "Invalid value for '--limit'" in refused.output
    wrong = ask(day, "jobs", "--state", "done")
    assert wrong.exit_code == 2
    assert "queued" in wrong.output


def test_peers_are_those_who_may_and_those_who_did(tmp_path: Path) -> None:
    """A house that nobody has sent to says who may; one that somebody has, who did."""
    views = open_views(tmp_path)
    with views.writing() as session:
        session.add(PeerRecord(ae_title="CT1", address="192.0.2.7", last_seen_at=datetime(2026, 1, 1, tzinfo=UTC)))
    views.close()
    (row,) = json.loads(ask(tmp_path, "peers", "--json").stdout)
    assert (row["ae_title"], row["address"], row["studies"]) == ("CT1", "192.0.2.7", 0)
    assert "this machine may call" in ask(tmp_path, "peers").stdout


def test_an_empty_ledger_says_how_to_start(tmp_path: Path) -> None:
    """Instead of an empty table."""
    open_views(tmp_path).close()
    assert "wetread send" in ask(tmp_path, "jobs").stdout


def test_a_study_that_arrives_has_no_job_yet(tmp_path: Path) -> None:
    """Who has just sent one is not told to send one."""
    ledger = open_views(tmp_path)
    with ledger.writing() as session:
        add_study(session, "1.2.3", received_at=datetime.now(UTC), receiving=True, revisions=0)
    ledger.close()
    assert ask(tmp_path, "jobs").stdout == "no jobs yet: 1 study arrives, read once complete\n"


def test_job_shows_objects_and_timeline(day: Path) -> None:
    """The study's way through the house, and where each result is."""
    shown = ask(day, "job", job_in(day, JobState.READ)).stdout
    for word in ("brain-structures", "study complete", "SEG", "TEXT-SR", "accepted", "archive"):
        assert word in shown


def test_a_timeline_says_of_which_job(day: Path) -> None:
    """A study has a job a model, and events of all of them."""
    found = job_in(day, JobState.HELD)
    (held,) = (line for line in ask(day, "job", found).stdout.splitlines() if "job held" in line)
    assert held.split()[2] == str(found)


def test_a_uid_is_on_one_line(day: Path) -> None:
    """What a person copies or greps out of a table is whole, however narrow the output is."""
    shown = ask(day, "jobs").stdout
    assert "1.2.826.0.1.3680043.8.498.10000000000000000000000000000000000001" in shown


def test_a_reason_is_shown_as_it_is(day: Path) -> None:
    """Square brackets of a reason are no markup: nothing vanishes, nothing fails."""
    with sqlite3.connect(day / "ledger.sqlite3") as ledger:
        ledger.execute("UPDATE job SET reason = 'slices [1, 2] and [red] of [/no] series' WHERE state = 'failed'")
    ledger.close()
    job = job_in(day, JobState.FAILED)
    for words in (("jobs",), ("job", job)):
        shown = ask(day, *words)
        assert shown.exit_code == 0
        assert "slices [1, 2] and [red] of [/no] series" in " ".join(shown.stdout.split())


@pytest.mark.parametrize("command", ["job", "retry", "waive", "cancel", "release-hold"])
def test_an_unknown_job_is_told(
    command: str, day: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its number."""
    assert "999" in failure(monkeypatch, capsys, command, 999, "--data", day)


def test_retry_queues_a_failed_job_again(day: Path) -> None:
    """For the model as it is on this machine now."""
    job = job_in(day, JobState.FAILED)
    write_threshold_model(day / "models", id="brain-structures")
    done = ask(day, "retry", job)
    assert (done.exit_code, done.stdout) == (0, f"job {job} is queued for brain-structures 1\n")
    assert state_of(day, job) == "queued"


def test_retry_says_first_what_no_model_would_change(
    day: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No model is here: of a job that waits, or has no images any more, nobody is sent to look for one."""
    queued = failure(monkeypatch, capsys, "retry", job_in(day, JobState.QUEUED), "--data", day)
    assert "a worker takes it in its turn" in queued
    failed = failure(monkeypatch, capsys, "retry", job_in(day, JobState.FAILED), "--data", day)
    assert "no model has the id brain-structures" in failed
    assert "once it is back under this id" in failed


def refused_in(data: Path) -> int:
    """Return the job of which an archive has refused a result."""
    ledger = open_views(data)
    refused = next(row.id for row in ledger.jobs() if any(item.state.value == "refused" for item in row.deliveries))
    ledger.close()
    return refused


def test_what_was_refused_need_not_arrive(
    day: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By an admin's word; there is nothing more to waive then, and `retry` still sends it."""
    refused = refused_in(day)
    assert ask(day, "waive", refused).stdout == f"1 results of job {refused} need not arrive any more\n"
    assert "no result that was refused or given up" in failure(monkeypatch, capsys, "waive", refused, "--data", day)
    assert (
        ask(day, "retry", refused).stdout
        == f"1 results of job {refused} are sent, or their commitment asked for, again\n"
    )


def test_retry_of_a_read_job_sends_what_was_refused(day: Path) -> None:
    """It is not read again: its objects are kept."""
    refused = refused_in(day)
    assert (
        ask(day, "retry", refused).stdout
        == f"1 results of job {refused} are sent, or their commitment asked for, again\n"
    )
    assert state_of(day, refused) == "read"


def test_cancel_ends_a_queued_job(day: Path) -> None:
    """And only what is not read yet."""
    job = job_in(day, JobState.QUEUED)
    assert ask(day, "cancel", job).stdout == f"job {job} is cancelled\n"
    assert state_of(day, job) == "cancelled"


def test_cancel_refuses_a_read_job(
    day: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its results may be in an archive."""
    job = job_in(day, JobState.READ)
    told = failure(monkeypatch, capsys, "cancel", job, "--data", day)
    assert "a job that is read cannot become cancelled" in told
    assert state_of(day, job) == "read"


def test_release_hold_sends_a_held_job(day: Path) -> None:
    """An admin has compared the patients."""
    job = job_in(day, JobState.HELD)
    assert ask(day, "release-hold", job).stdout == f"job {job} is released\n"
    assert state_of(day, job) == "read"


def test_a_study_that_arrives_is_forced(
    day: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The wish is kept for the node; a study that is complete, or unknown, is told."""
    ledger = open_views(day)
    arriving, closed = (
        next(study.study_instance_uid for study in ledger.studies() if study.receiving is receiving)
        for receiving in (True, False)
    )
    assert "closed within a second or two" in ask(day, "force-complete", arriving).stdout
    kinds = [event.kind for event in ledger.timeline(arriving)]
    ledger.close()
    assert kinds[-1] == "completion asked for"
    assert "complete already" in failure(monkeypatch, capsys, "force-complete", closed, "--data", day)
    assert "no image of study 1.2.3" in failure(monkeypatch, capsys, "force-complete", "1.2.3", "--data", day)


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception that is not ours keeps its traceback."""
    broken = typer.Typer()

    @broken.command()
    def fall() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", broken)
    monkeypatch.setattr("sys.argv", ["wetread"])
    monkeypatch.setattr("os.umask", lambda mode: mode)
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_a_model_with_wrong_selection_fails_its_check(day: Path) -> None:
    """A card whose [selection] nobody understands would read nothing: the check names the key and ends with 1."""
    folder = write_threshold_model(day / "models", id="misspelt")
    card = folder / "model.toml"
    card.write_text(card.read_text().replace("min_slices = 1", "min_slice = 1"))
    done = ask(day, "models", "check", "misspelt")
    assert done.exit_code == 1
    assert "selection.min_slice: unknown key, did you mean min_slices?" in str(done.exception)
