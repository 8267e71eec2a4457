"""The application's answers over a real ledger."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text, update
from starlette.types import ASGIApp

from dicom_node.tls.certificate_file import Left
from ops.audit.outgoing import Figures
from ops.audit.watch import AuditState
from ops.certificates import Expiry, Kind
from ops.dashboard.app import make_app
from ops.dashboard.readiness import NotReady, broker_check, disk_check
from ops.dashboard.security import SECURITY_HEADERS
from tests.filled_ledger import (
    PICTURE_STUDY,
    add_event,
    add_job,
    add_study,
    fill_a_day,
    job_id_in,
    open_views,
    write_picture,
)
from tests.redis_server import RedisServer
from worker.errors import LedgerDamaged
from worker.jobs.job import JobState, Priority
from worker.ledger.tables import DestinationState, Hold, Job, ResultObject
from worker.ledger.views import LedgerViews

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\u202e'\"&"
EVERY_PAGE = ["/", "/jobs", "/jobs?state=failed", "/jobs/1", "/studies", f"/studies/{PICTURE_STUDY}"]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerViews]:
    """A new ledger."""
    views = open_views(tmp_path)
    yield views
    views.close()


@pytest.fixture
def app(ledger: LedgerViews, tmp_path: Path) -> ASGIApp:
    """The page over it."""
    return make_app(ledger, results_root=tmp_path / "results", version="9.8.7")


def ask(app: ASGIApp, path: str, *, method: str = "GET", host: str = "127.0.0.1:8080") -> httpx.Response:
    """Send one request through the ASGI interface."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(method, path)

    return asyncio.run(send())


@pytest.mark.parametrize("path", ["/", "/jobs", "/studies"])
def test_an_empty_ledger_has_pages(app: ASGIApp, path: str) -> None:
    """Before the first study the pages say that there is nothing yet."""
    answer = ask(app, path)
    assert answer.status_code == 200
    assert "9.8.7" in answer.text


def test_the_home_page_tells_state_figures_and_failures(app: ASGIApp, ledger: LedgerViews) -> None:
    """One sentence, the backlog, the door-to-result time and each failure's reason are on the page."""
    assert "All is well: nothing waits." in ask(app, "/").text
    fill_a_day(ledger)
    text = ask(app, "/").text
    assert "Attention: 1 job failed in the last 24 h; 1 job is held until somebody looks" in text
    assert "the series has a gap of 12.5 mm after slice 41" in text
    assert "0xA900 data set does not match SOP class" in text
    assert "median of the last 1" in text


def test_what_is_held_and_what_is_urgent_is_shown(app: ASGIApp, ledger: LedgerViews) -> None:
    """A held queue with who holds it and how it goes on; what waits by priority; and the same in the metrics."""
    fill_a_day(ledger)
    with ledger.writing() as session:
        session.add(Hold(kind="queue", name="cpu", since=NOW, held_by="anna"))
        session.get_one(Job, job_id_in(ledger, JobState.QUEUED)).priority = Priority.STAT
    text = " ".join(ask(app, "/").text.split())
    assert "queue cpu is held by an admin" in text
    assert "queue cpu, by anna since" in text
    assert "wetread resume --queue cpu" in text
    assert "1 stat in cpu" in text
    assert ">stat</span>" in ask(app, "/jobs").text
    metrics = ask(app, "/metrics").text
    assert 'wetread_held{kind="queue",name="cpu"} 1.0' in metrics
    assert 'wetread_jobs_queued{priority="stat",queue="cpu"} 1.0' in metrics


def test_jobs_are_listed_and_filtered(app: ASGIApp, ledger: LedgerViews) -> None:
    """The filter shows its state only; a state that does not exist is refused by naming those that do."""
    fill_a_day(ledger)
    assert ask(app, "/jobs").text.count('<th scope="row"') == 8
    assert ask(app, "/jobs?state=failed").text.count('<th scope="row"') == 1
    refused = ask(app, "/jobs?state=%3Cb%3E")
    assert refused.status_code == 400
    assert "queued, claimed, read" in refused.text


def test_a_job_shows_its_results_and_timeline(app: ASGIApp, ledger: LedgerViews) -> None:
    """Deliveries by kind and destination, and what happened, on the job's own page."""
    fill_a_day(ledger)
    text = ask(app, f"/jobs/{job_id_in(ledger, JobState.READ)}").text
    for word in ("delivered", "TEXT-SR", "archive", "onnxruntime 1.27 CPU", "job read", "2 min"):
        assert word in text


def test_a_study_shows_its_timeline_and_pictures(app: ASGIApp, ledger: LedgerViews, tmp_path: Path) -> None:
    """Pictures appear where the pipeline left them, and are the bytes that it left."""
    fill_a_day(ledger)
    job_id = job_id_in(ledger, JobState.READ)
    before = ask(app, f"/studies/{PICTURE_STUDY}").text
    assert "study complete" in before
    assert "no series of modality ECG" in before
    assert "<img" not in before
    png = write_picture(tmp_path / "results", ledger, job_id)
    assert f'src="/jobs/{job_id}/picture.png"' in ask(app, f"/studies/{PICTURE_STUDY}").text
    answer = ask(app, f"/jobs/{job_id}/picture.png")
    assert (answer.content, answer.headers["content-type"]) == (png, "image/png")
    assert answer.headers["cache-control"] == "no-store"


def test_a_picture_of_an_earlier_release_is_found(app: ASGIApp, ledger: LedgerViews, tmp_path: Path) -> None:
    """It has no digest in its name; one that has goes before it."""
    fill_a_day(ledger)
    job_id = job_id_in(ledger, JobState.READ)
    old = tmp_path / "results" / "folder" / str(job_id) / "picture.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    assert ask(app, f"/jobs/{job_id}/picture.png").content == b"old"
    (old.parent / "text-sr.png").write_bytes(b"new")
    assert ask(app, f"/jobs/{job_id}/picture.png").content == b"new"


def test_a_picture_never_comes_from_outside_the_results(app: ASGIApp, ledger: LedgerViews, tmp_path: Path) -> None:
    """Neither a link nor a file name in a spoiled ledger leads out of the results folder."""
    fill_a_day(ledger)
    job_id = job_id_in(ledger, JobState.READ)
    outside = tmp_path / "secret"
    outside.mkdir()
    for name in ("picture.png", "text-sr.png"):
        (outside / name).write_bytes(b"secret")
    (tmp_path / "results" / "folder").mkdir(parents=True)
    (tmp_path / "results" / "folder" / str(job_id)).symlink_to(outside)
    assert ask(app, f"/jobs/{job_id}/picture.png").status_code == 404
    for file in (f"{outside}/text-sr.dcm", "../secret/text-sr.dcm"):
        with ledger.writing() as session:
            session.execute(update(ResultObject).values(file=file))
        assert ask(app, f"/jobs/{job_id}/picture.png").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/99",
        "/jobs/0x1",
        "/jobs/-1",
        "/jobs/" + "9" * 5000,
        "/jobs/٣",
        "/jobs?before=1;2",
        "/jobs/99/picture.png",
        "/jobs/..%2f..%2fetc/picture.png",
        "/jobs/1/other.png",
        "/studies/1.2.999",
        "/studies/..%2f..%2fetc%2fpasswd",
        "/studies/%3Cscript%3E",
        "/static/..%2fapp.py",
        "/static/nothing.css",
        "/nothing",
    ],
)
def test_what_does_not_exist_is_a_readable_404(app: ASGIApp, path: str) -> None:
    """Hostile and mistaken addresses get a page that says so, and nothing of them comes back unescaped."""
    answer = ask(app, path)
    assert answer.status_code == 404
    assert "There is nothing here" in answer.text
    assert "<script>" not in answer.text


def test_hostile_text_in_the_ledger_is_escaped(app: ASGIApp, ledger: LedgerViews) -> None:
    """A UID, a reason, an AE title, a model or an event from outside is shown as text, never as markup or link."""
    with ledger.writing() as session:
        study, (revision,) = add_study(session, HOSTILE, received_at=NOW)
        study.calling_ae_title = "<b>PACS</b>"
        job = add_job(session, revision, JobState.FAILED, model_id=HOSTILE, queued_at=NOW, reason=HOSTILE)
        add_event(session, HOSTILE, at=NOW, study=study, job=job, **{HOSTILE: [HOSTILE]})
    for path in ("/", "/jobs", f"/jobs/{job.id}", "/studies"):
        text = ask(app, path).text
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert" not in text
        assert "<b>PACS" not in text
        assert "\u202e" not in text
        assert "/studies/<" not in text
        assert "/studies/&lt;" not in text


@pytest.mark.parametrize("path", [*EVERY_PAGE, "/metrics", "/healthz", "/readyz", "/nothing", "/static/style.css"])
def test_every_answer_carries_the_security_headers(app: ASGIApp, ledger: LedgerViews, path: str) -> None:
    """Pages, figures, errors and files alike; nothing inline may run."""
    fill_a_day(ledger)
    headers = ask(app, path).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == dict(SECURITY_HEADERS)
    assert "unsafe-inline" not in headers["content-security-policy"]


def test_names_of_the_site_are_answered_and_others_told_how(ledger: LedgerViews, tmp_path: Path) -> None:
    """A proxy may keep the Host header; who is refused reads why, and which setting lists the name."""
    app = make_app(ledger, results_root=tmp_path, version="1", names=("Wetread.example.org", "2001:db8::5"))
    for host in ("wetread.example.org", "WETREAD.example.org:443", "[2001:db8::5]:8080", "localhost:8080"):
        assert ask(app, "/metrics", host=host).status_code == 200
    refused = ask(app, "/metrics", host="other.example.org:8080")
    assert refused.status_code == 400
    assert "under the name other.example.org, and answers under" in refused.text
    assert "`web.names`" in refused.text


@pytest.mark.parametrize("host", ["", "localhost@evil.example", "localhost/..", "<b>", "[::1", "localhost:80:80"])
def test_a_host_header_that_names_none_is_refused(app: ASGIApp, host: str) -> None:
    """What cannot be a name is not looked up, and not shown again."""

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
            return await client.get("/healthz", headers={"host": host})

    refused = asyncio.run(send())
    assert refused.status_code == 400
    assert refused.text.startswith("The Host header names no host")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080"])
def test_other_host_names_are_refused(app: ASGIApp, host: str) -> None:
    """A page elsewhere that points its own name at the loopback address learns nothing (DNS rebinding)."""
    answer = ask(app, "/jobs", host=host)
    assert answer.status_code == 400
    assert "Jobs" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080"])
def test_loopback_names_are_answered(app: ASGIApp, host: str) -> None:
    """By either name and either family."""
    assert ask(app, "/healthz", host=host).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/jobs/1", "/metrics", "/readyz", "/static/style.css"])
def test_the_page_only_shows(app: ASGIApp, path: str, method: str) -> None:
    """No method that could change anything is taken."""
    assert ask(app, path, method=method).status_code == 405


def test_metrics_tell_the_ledgers_figures(app: ASGIApp, ledger: LedgerViews) -> None:
    """What Prometheus scrapes is what the ledger holds at that moment."""
    fill_a_day(ledger)
    lines = ask(app, "/metrics").text.splitlines()
    for line in (
        'wetread_build_info{version="9.8.7"} 1.0',
        "wetread_ledger_up 1.0",
        'wetread_jobs{state="failed"} 1.0',
        'wetread_jobs{state="cancelled"} 0.0',
        'wetread_deliveries{destination="archive",state="refused"} 1.0',
        'wetread_delivery_waiting{destination="archive"} 2.0',
        'wetread_delivery_waiting{destination="research"} 0.0',
        'wetread_destination_answering{destination="archive"} 1.0',
        'wetread_door_to_result_seconds{quantile="0.5"} 120.0',
        "wetread_studies_receiving 1.0",
    ):
        assert line in lines
    assert any(line.startswith("wetread_oldest_queued_seconds 2") for line in lines)


def test_a_destination_that_does_not_answer_is_named(app: ASGIApp, ledger: LedgerViews) -> None:
    """On the page with the reason, in the metrics as a zero, even if nothing waits for it."""
    fill_a_day(ledger)
    with ledger.writing() as session:
        session.add(DestinationState(name="far", answering=False, reason="is it up?", since=datetime.now(UTC)))
    assert "far does not answer since" in ask(app, "/").text
    lines = ask(app, "/metrics").text.splitlines()
    assert 'wetread_destination_answering{destination="far"} 0.0' in lines
    assert 'wetread_delivery_oldest_seconds{destination="far"} 0.0' in lines


def test_metrics_tell_what_certificates_have_left(ledger: LedgerViews, tmp_path: Path) -> None:
    """Days of each that can be read; of one that cannot, only that, so that an alert can tell."""
    left = Left(days=12.5, soon=True)
    expiries = [
        Expiry(kind=Kind.CERTIFICATE, use="node", left=left),
        Expiry(kind=Kind.CERTIFICATE, use="pacs", left=None),
        *(Expiry(kind=kind, use="node", left=left) for kind in (Kind.CA, Kind.REVOCATION_LIST)),
    ]
    app = make_app(ledger, results_root=tmp_path, version="1", expiries=lambda: expiries)
    lines = ask(app, "/metrics").text.splitlines()
    assert 'wetread_certificate_days_left{use="node"} 12.5' in lines
    assert not any(line.startswith('wetread_certificate_days_left{use="pacs"}') for line in lines)
    assert 'wetread_certificate_readable{use="node"} 1.0' in lines
    assert 'wetread_certificate_readable{use="pacs"} 0.0' in lines
    assert 'wetread_ca_days_left{use="node"} 12.5' in lines
    assert 'wetread_revocation_list_days_left{use="node"} 12.5' in lines
    assert 'wetread_revocation_list_readable{use="node"} 1.0' in lines
    assert "the certificate of pacs cannot be read" in ask(app, "/").text


def test_the_audit_trail_is_in_the_metrics_and_its_trouble_on_the_page(ledger: LedgerViews, tmp_path: Path) -> None:
    """What waits and was lost; messages that wait for long, and a folder that cannot be read, need a person."""
    state = [AuditState(figures=Figures(waiting=3, oldest_s=20.0, lost=1))]
    app = make_app(ledger, results_root=tmp_path, version="1", audit=lambda: state[0])
    lines = ask(app, "/metrics").text.splitlines()
    assert "wetread_audit_messages_waiting 3.0" in lines
    assert "wetread_audit_messages_lost 1.0" in lines
    assert "wetread_audit_oldest_seconds 20.0" in lines
    assert "wetread_audit_readable 1.0" in lines
    assert "All is well" in ask(app, "/").text
    state[0] = AuditState(figures=Figures(waiting=3, oldest_s=4000.0, lost=0))
    assert "3 audit messages wait, the oldest for 1 h 6 min" in ask(app, "/").text
    state[0] = AuditState(figures=None)
    assert "wetread_audit_readable 0.0" in ask(app, "/metrics").text.splitlines()
    assert "the audit trail&#39;s folder cannot be read" in ask(app, "/").text


def test_ready_names_what_is_away(ledger: LedgerViews, tmp_path: Path, free_port: Callable[[], int]) -> None:
    """The process lives, but Redis does not answer: 503, with cause and remedy, and the ledger is not accused."""
    broker = broker_check(f"redis://127.0.0.1:{free_port()}/0")
    app = make_app(ledger, results_root=tmp_path, version="1", ready_checks={"broker": broker})
    assert ask(app, "/healthz").status_code == 200
    answer = ask(app, "/readyz")
    assert answer.status_code == 503
    told = answer.json()
    assert list(told["away"]) == ["broker"]
    assert "ConnectionError" in told["away"]["broker"]["cause"]
    assert "Attention: the broker does not do its part" in ask(app, "/").text
    assert "broker.url" in told["away"]["broker"]["remedy"]
    assert "wetread_broker_up 0.0" in ask(app, "/metrics").text.splitlines()


def test_a_broker_url_that_cannot_be_read_is_not_ready() -> None:
    """It is told with cause and remedy, and without the password that spoils it."""
    with pytest.raises(NotReady) as refusal:
        broker_check("redis://:s3/cret@127.0.0.1:6379/0")()
    assert "broker.url" in str(refusal.value)
    assert "s3" not in str(refusal.value)


def test_ready_is_ready_when_all_checks_pass(ledger: LedgerViews, tmp_path: Path) -> None:
    """Each check that was handed in is asked, and named."""
    asked: list[str] = []
    app = make_app(ledger, results_root=tmp_path, version="1", ready_checks={"broker": lambda: asked.append("broker")})
    answer = ask(app, "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "checked": ["ledger", "broker"], "away": {}})
    assert asked == ["broker"]
    assert "wetread_broker_up 1.0" in ask(app, "/metrics").text.splitlines()


def test_a_disk_that_is_full_is_not_ready(tmp_path: Path) -> None:
    """While the node refuses instances the page must not say that all is well; a spool elsewhere is not ours."""
    disk_check(tmp_path, 0)()
    disk_check(tmp_path / "elsewhere", 1 << 60)()
    with pytest.raises(NotReady, match=r"bytes free, and below `node.min_free_bytes` .* `wetread retention` says why"):
        disk_check(tmp_path, 1 << 60)()


def test_a_redis_that_answers_and_takes_no_tokens_is_not_ready(redis_server: RedisServer) -> None:
    """Full, or with something else under a queue's name: the cause and the remedy are told, not that all is well."""
    check = broker_check(redis_server.url, queues=["cpu"])
    check()
    redis_server.order_all([("SET", "cpu", "x")])
    with pytest.raises(NotReady, match=r"key `cpu` .*`redis-cli DEL cpu`"):
        check()
    redis_server.order_all([("DEL", "cpu"), ("CONFIG", "SET", "maxmemory", "1")])
    with pytest.raises(NotReady, match="Redis is full and takes no tokens: raise its `maxmemory`"):
        check()


def test_an_error_carries_cause_and_remedy() -> None:
    """The exception's text is both, for whoever only sees the text."""
    assert str(NotReady(cause="It is off", remedy="Turn it on")) == "It is off. Turn it on"


def test_a_ledger_that_is_away_is_told_on_every_page(app: ASGIApp, ledger: LedgerViews, tmp_path: Path) -> None:
    """503 and a sentence, not a traceback; health stays, readiness goes, and the metrics say so."""
    ledger.close()
    for file in tmp_path.glob("ledger.sqlite3*"):
        file.unlink()
    (tmp_path / "ledger.sqlite3").mkdir()
    for path in EVERY_PAGE:
        answer = ask(app, path)
        assert answer.status_code == 503
        assert "The ledger does not answer" in answer.text
        assert "Traceback" not in answer.text
    assert "wetread_ledger_up 0.0" in ask(app, "/metrics").text
    assert ask(app, "/healthz").status_code == 200
    ready = ask(app, "/readyz")
    assert (ready.status_code, list(json.loads(ready.text)["away"])) == (503, ["ledger"])


def test_a_damaged_ledger_is_told_on_its_page(
    app: ASGIApp, ledger: LedgerViews, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be shown the page says that, and which command says where."""

    def damaged(*_: object) -> None:
        raise LedgerDamaged("the ledger holds a date that is none")

    monkeypatch.setattr(ledger, "studies", damaged)
    answer = ask(app, "/studies")
    assert answer.status_code == 503
    assert "The ledger is damaged" in answer.text
    assert "wetread ledger check" in answer.text


def test_a_damaged_line_of_a_timeline_is_told_in_its_place(app: ASGIApp, ledger: LedgerViews) -> None:
    """What wetread never wrote: the page of that study is shown, and says which command says where."""
    fill_a_day(ledger)
    with ledger.writing() as session:
        study, _ = add_study(session, "1.2.3", received_at=NOW)
        add_event(session, "study complete", at=NOW, study=study)
        session.execute(text("UPDATE event SET detail = 'none' WHERE study_id = :study"), {"study": study.id})
    answer = ask(app, "/studies/1.2.3")
    assert answer.status_code == 200
    assert "study complete" in answer.text
    assert "wetread ledger check" in answer.text


@pytest.mark.parametrize(
    "harmed",
    [
        "UPDATE job SET priority = 9 WHERE state = 'queued'",
        "UPDATE job SET queued_at = 'yesterday' WHERE state = 'queued'",
        "UPDATE job SET queued_at = 12 WHERE state = 'queued'",
    ],
)
def test_a_damaged_job_hides_neither_page_nor_metrics(app: ASGIApp, ledger: LedgerViews, harmed: str) -> None:
    """Else nobody would know at night what becomes of the others."""
    fill_a_day(ledger)
    with ledger.writing() as session:
        session.execute(text(harmed))
    assert ask(app, "/").status_code == 200
    metrics = ask(app, "/metrics")
    assert 'wetread_jobs{state="queued"} 1.0' in metrics.text
    assert "wetread_ledger_up 1.0" in metrics.text


def test_a_damaged_job_is_named_among_the_others(app: ASGIApp, ledger: LedgerViews) -> None:
    """A state that wetread never wrote: the list has every job, and says of that one which command says where."""
    fill_a_day(ledger)
    with ledger.writing() as session:
        _, (revision,) = add_study(session, "1.2.3", received_at=NOW)
        damaged = add_job(session, revision, JobState.QUEUED, queued_at=NOW)
        damaged.state = "no such state"
        session.flush()
        damaged_id = damaged.id
    answer = ask(app, "/jobs")
    assert answer.status_code == 200
    assert f"/jobs/{damaged_id}" in answer.text
    assert "wetread ledger check" in answer.text
    assert answer.text.count("/jobs/") > 1


def test_a_bug_is_a_page_without_traceback(app: ASGIApp, ledger: LedgerViews, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody foresaw breaks one page, which says so and nothing of its insides."""
    monkeypatch.setattr(type(ledger), "jobs", lambda *_, **__: 1 // 0)
    answer = ask(app, "/jobs")
    assert answer.status_code == 500
    assert "This page is broken" in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
