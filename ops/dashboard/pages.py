"""The pages' routes: ask the ledger once, hand its records to a template."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from models.interpreting.critical_reason import CriticalReason
from ops.audit.watch import AuditWatch
from ops.certificates import Expiries
from ops.dashboard import wording
from ops.dashboard.pictures import PICTURE_NAME, Pictures
from ops.dashboard.readiness import ReadyCheck, away_of
from ops.dashboard.state_sentence import state_sentence
from worker.case.notification_words import reason_sentence
from worker.case.sentences import words_in
from worker.jobs.job import JobState
from worker.jobs.overview import has_lost_results
from worker.ledger.views import LedgerViews

_PAGE_ROWS = 100
#: Nine digits fit every database's integer.
_JOB_ID = re.compile(r"[0-9]{1,9}", re.ASCII)


def make_environment(version: str) -> Environment:
    """Return the templates with everything escaped and the page's words as filters."""
    environment = Environment(
        loader=PackageLoader("ops.dashboard"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=wording.duration,
        reason=_reason,
        moment=wording.moment,
        plain=wording.plain,
        detail=wording.detail,
    )
    environment.tests["uid"] = wording.is_uid
    environment.globals.update(version=version, states=list(JobState), lost=has_lost_results)
    return environment


class Pages:
    """The pages over one ledger. A ledger that is away is told by the application's error page."""

    def __init__(
        self,
        ledger: LedgerViews,
        *,
        results_root: Path,
        environment: Environment,
        expiries: Expiries,
        audit: AuditWatch,
        checks: Mapping[str, ReadyCheck],
    ) -> None:
        self._ledger = ledger
        self._checks = checks
        self._expiries = expiries
        self._audit = audit
        self._pictures = Pictures(ledger, results_root)
        self._environment = environment

    def routes(self) -> list[BaseRoute]:
        """Return the routes; none changes anything."""
        places = {
            "/": self._home,
            "/jobs": self._jobs,
            "/jobs/{job_id}": self._job,
            f"/jobs/{{job_id}}/{PICTURE_NAME}": self._picture,
            "/studies": self._studies,
            "/studies/{uid}": self._study,
        }
        return [Route(path, endpoint, methods=["GET"]) for path, endpoint in places.items()]

    def _render(self, name: str, **context: Any) -> Response:
        return HTMLResponse(self._environment.get_template(name).render(context))

    def _home(self, request: Request) -> Response:
        del request
        overview = self._ledger.overview()
        sentence = state_sentence(overview, self._expiries(), self._audit(), tuple(away_of(self._checks)))
        return self._render("home.html", overview=overview, sentence=sentence)

    def _jobs(self, request: Request) -> Response:
        state = request.query_params.get("state") or None
        if state is not None and state not in set(JobState):
            raise HTTPException(400, f"There is no such state of a job. The states are: {', '.join(JobState)}.")
        before = request.query_params.get("before")
        jobs = self._ledger.jobs(state, _PAGE_ROWS, before=None if before is None else _job_id(before))
        more = jobs[-1].id if len(jobs) == _PAGE_ROWS else None
        return self._render("jobs.html", jobs=jobs, state=state, more=more)

    def _job(self, request: Request) -> Response:
        job = self._ledger.job(_job_id(request.path_params["job_id"]))
        if job is None:
            raise HTTPException(404, "No job has this number. The page of jobs lists those that there are.")
        events = [event for event in self._ledger.timeline(job.study_instance_uid) if event.job_id == job.id]
        pictured = self._pictures.find(job.id) is not None
        return self._render("job.html", job=job, events=events, pictured=pictured)

    def _picture(self, request: Request) -> Response:
        picture = self._pictures.find(_job_id(request.path_params["job_id"]))
        if picture is None:
            raise HTTPException(404, "This job has no picture.")
        return FileResponse(picture, media_type="image/png")

    def _studies(self, request: Request) -> Response:
        del request
        return self._render("studies.html", studies=self._ledger.studies(_PAGE_ROWS))

    def _study(self, request: Request) -> Response:
        uid = request.path_params["uid"]
        study = self._ledger.study(uid) if wording.is_uid(uid) else None
        if study is None:
            raise HTTPException(
                404, "No study with this Study Instance UID has arrived. The page of studies lists them."
            )
        events = self._ledger.timeline(uid)
        pictured = {job.id for job in study.jobs if self._pictures.find(job.id) is not None}
        return self._render("study.html", study=study, events=events, pictured=pictured)


def _reason(reason: CriticalReason) -> str:
    return reason_sentence(reason, words_in("en"))


def _job_id(text: str) -> int:
    if _JOB_ID.fullmatch(text) is None:
        raise HTTPException(404, "A job's number has one to nine digits.")
    return int(text)
