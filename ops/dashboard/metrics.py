"""What Prometheus scrapes: the ledger's figures, asked for when they are scraped."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ops.audit.watch import AuditWatch
from ops.certificates import Expiries, Kind
from ops.dashboard.readiness import ReadyCheck, away_of
from worker.errors import LedgerAway
from worker.jobs.overview import Alerts, DoorToResult, Overview
from worker.ledger.views import LedgerViews


class _AtScrape(Collector):
    """Asks for figures at every scrape, and for none before: their names are those that they come with."""

    def __init__(self, *parts: Callable[[], Iterator[Metric]]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Yield all figures."""
        for part in self._parts:
            yield from part()


def _of_ledger(ledger: LedgerViews, version: str) -> Iterator[Metric]:
    """Yield the ledger's figures; one that is away is a figure too, so that an alert can tell it from us."""
    yield InfoMetricFamily("wetread_build", "The running version.", value={"version": version})
    try:
        overview = ledger.overview()
    except LedgerAway:
        yield GaugeMetricFamily("wetread_ledger_up", "Whether the ledger answers.", value=0)
        return
    yield GaugeMetricFamily("wetread_ledger_up", "Whether the ledger answers.", value=1)
    yield from _figures(overview)


def _of_checks(checks: Mapping[str, ReadyCheck]) -> Iterator[Metric]:
    """Yield for each part that is asked beside the ledger whether it does its part."""
    away = away_of(checks)
    for name in checks:
        yield GaugeMetricFamily(f"wetread_{name}_up", f"Whether the {name} does its part.", name not in away)


def _figures(overview: Overview) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("wetread_jobs", "Jobs in the ledger by state.", labels=["state"])
    for state, count in overview.jobs.items():
        jobs.add_metric([state], count)
    yield jobs
    queued = GaugeMetricFamily(
        "wetread_jobs_queued", "Jobs that wait for a worker, by queue and priority.", labels=["queue", "priority"]
    )
    for (queue, priority), count in overview.queued.items():
        queued.add_metric([queue, priority.name.lower()], count)
    yield queued
    held = GaugeMetricFamily(
        "wetread_held", "1 for each queue and destination that an admin holds.", labels=["kind", "name"]
    )
    for row in overview.held:
        held.add_metric([row.kind, row.name], 1)
    yield held
    yield GaugeMetricFamily(
        "wetread_oldest_queued_seconds", "Age of the oldest queued job; 0 when none is.", overview.oldest_queued_s or 0
    )
    deliveries = GaugeMetricFamily(
        "wetread_deliveries", "Results by destination and state.", labels=["destination", "state"]
    )
    for (destination, delivery_state), count in overview.deliveries.items():
        deliveries.add_metric([destination, delivery_state], count)
    yield deliveries
    yield from _destinations(overview)
    yield GaugeMetricFamily("wetread_studies_receiving", "Studies that still arrive.", overview.studies_receiving)
    yield GaugeMetricFamily(
        "wetread_studies_waiting", "Studies with a queued or claimed job.", overview.studies_waiting
    )
    yield from _alerts(overview.alerts)
    if overview.door_to_result is not None:
        yield from _door_to_result(overview.door_to_result)


def _destinations(overview: Overview) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "wetread_delivery_waiting", "Results on their way to a destination.", labels=["destination"]
    )
    oldest = GaugeMetricFamily(
        "wetread_delivery_oldest_seconds", "Age of the oldest of them; 0 when there are none.", labels=["destination"]
    )
    answering = GaugeMetricFamily(
        "wetread_destination_answering",
        "0: so many connections failed that a destination gets nothing until it answers.",
        labels=["destination"],
    )
    by_name = {item.destination: item for item in overview.waiting}
    for name in sorted({destination for destination, _ in overview.deliveries} | set(overview.destinations)):
        waits, state = by_name.get(name), overview.destinations.get(name)
        waiting.add_metric([name], waits.count if waits else 0)
        oldest.add_metric([name], waits.oldest_s if waits else 0)
        answering.add_metric([name], state is None or state.answering)
    yield from (waiting, oldest, answering)


def _alerts(alerts: Alerts) -> Iterator[Metric]:
    notifications = GaugeMetricFamily(
        "wetread_notifications", "What somebody must hear of, by topic and state.", labels=["topic", "state"]
    )
    for (topic, state), count in alerts.counts.items():
        notifications.add_metric([topic, state], count)
    yield notifications
    yield GaugeMetricFamily(
        "wetread_notifications_lost",
        "Unacknowledged notifications that a channel would not take, or was away for too long for.",
        alerts.lost,
    )
    if alerts.told_p50_s is not None and alerts.told_p95_s is not None:
        told = GaugeMetricFamily(
            "wetread_read_to_told_seconds",
            "From a critical read until the first channel had it, over the latest notifications.",
            labels=["quantile"],
        )
        told.add_metric(["0.5"], alerts.told_p50_s)
        told.add_metric(["0.95"], alerts.told_p95_s)
        yield told


def _door_to_result(times: DoorToResult) -> Iterator[Metric]:
    # Gauges with a quantile label: the ledger knows the times themselves, so no buckets have to guess them.
    quantiles = GaugeMetricFamily(
        "wetread_door_to_result_seconds",
        "From a study's last image to its last result's acceptance, over the latest delivered jobs.",
        labels=["quantile"],
    )
    quantiles.add_metric(["0.5"], times.p50_s)
    quantiles.add_metric(["0.95"], times.p95_s)
    yield quantiles
    yield GaugeMetricFamily(
        "wetread_door_to_result_jobs", "How many delivered jobs the quantiles are taken over.", times.count
    )


#: What stands in the names of a kind's metrics, and how their help speaks of it.
_EXPIRING = {
    Kind.CERTIFICATE: ("certificate", "a certificate of ours"),
    Kind.CA: ("ca", "the first CA certificate in a file of those we go by"),
    Kind.REVOCATION_LIST: ("revocation_list", "the first revocation list in a file of those we go by"),
}


def _of_expiries(expiries: Expiries) -> Iterator[Metric]:
    """Yield what is left of each file; of one that cannot be read only that."""
    found = expiries()
    for kind, (name, words) in _EXPIRING.items():
        days = GaugeMetricFamily(f"wetread_{name}_days_left", f"Days until {words} expires.", labels=["use"])
        readable = GaugeMetricFamily(
            f"wetread_{name}_readable", f"Whether the file of {words} can be read.", labels=["use"]
        )
        for expiry in found:
            if expiry.kind is kind:
                readable.add_metric([expiry.use], expiry.left is not None)
                if expiry.left is not None:
                    days.add_metric([expiry.use], expiry.left.days)
        yield days
        yield readable


def _of_audit(watch: AuditWatch) -> Iterator[Metric]:
    """Yield the figures of the audit trail's folder; of one that cannot be read only that."""
    figures = watch().figures
    yield GaugeMetricFamily(
        "wetread_audit_readable", "Whether the audit trail's folder can be read.", figures is not None
    )
    if figures is not None:
        yield GaugeMetricFamily(
            "wetread_audit_messages_waiting", "Audit messages that nobody has taken yet.", figures.waiting
        )
        yield GaugeMetricFamily(
            "wetread_audit_oldest_seconds", "Age of the oldest of them; 0 when none waits.", figures.oldest_s
        )
        yield GaugeMetricFamily(
            "wetread_audit_messages_lost", "Audit messages that could not be kept, ever.", figures.lost
        )


def metrics_route(
    ledger: LedgerViews, version: str, expiries: Expiries, audit: AuditWatch, checks: Mapping[str, ReadyCheck]
) -> BaseRoute:
    """Return the route /metrics over a registry of its own."""
    registry = CollectorRegistry()
    registry.register(
        _AtScrape(
            partial(_of_ledger, ledger, version),
            partial(_of_checks, checks),
            partial(_of_expiries, expiries),
            partial(_of_audit, audit),
        )
    )

    def metrics(request: Request) -> Response:
        del request
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Route("/metrics", metrics, methods=["GET"])
