"""`wetread deliver`: results leave, under the node's AE title, and people are told of what is critical."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import structlog

from dicom_node.archives.commitment import CommitmentListener
from dicom_node.turned_away import Witness
from ops.assembly_line import assumed_sets, open_ledger, trail_of
from ops.audit.delivering import Deliveries
from ops.daemons.signals import stop_on_signals
from ops.destinations import commitment_plans_of, destinations_of, peers_of, unheard
from ops.notifiers.channels import channels_of, in_clear
from ops.settings import Settings
from worker.delivery.committing import Committer
from worker.delivery.delivery import Deliverer
from worker.notifying.notifying import Notifier

_log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Deliver until SIGTERM."""
    stop = stop_on_signals()
    ledger = open_ledger(settings)
    destinations = destinations_of(settings)
    if not destinations:
        _log.warning(
            "no destination",
            remedy="add [[destinations]] to the settings: until then results stay on disk and are sent nowhere",
        )
    for name, results in ledger.keep_destinations(destinations).items():
        _log.warning(
            "results wait for a destination that the settings do not name",
            destination=name,
            results=results,
            remedy=f"name it again under [[destinations]], or `wetread waive JOB --destination {name}` for each job "
            "whose results need not get there",
        )
    channels = channels_of(settings)
    if shown := in_clear(settings):
        _log.warning(
            "patients' names are told without TLS",
            channels=shown,
            remedy="set `tls = true` and take `plain` out, or patient_data = false: they can be read on the way",
        )
    assumed = assumed_sets(settings)
    notifier = Notifier(
        ledger=ledger,
        channels=channels,
        spool=settings.spool,
        report=settings.report,
        settings=settings.notifying,
        assumed=assumed,
    )
    trail = trail_of(settings, "deliver")
    trail.start()
    telling = threading.Thread(target=notifier.run, args=(stop,), name="notifier")
    committer = Committer(ledger, commitment_plans_of(settings), settings.delivery)
    with _commitments(committer, settings, trail.turned_away):
        telling.start()
        _log.info("deliverer serves", destinations=sorted(destinations), channels=sorted(channels))
        Deliverer(
            ledger=ledger,
            destinations=destinations,
            spool=settings.spool,
            results=settings.results,
            settings=settings.delivery,
            committer=committer,
            witness=Deliveries(trail, peers_of(settings)),
            assumed=assumed,
        ).run(stop)
        stop.wait()
    telling.join()
    trail.stop()
    ledger.close()
    _log.info("deliverer stopped")


@contextmanager
def _commitments(committer: Committer, settings: Settings, witness: Witness) -> Iterator[None]:
    """Hear reports of storage commitment meanwhile, where they have a port of their own.

    Raises ListenFailed, CertificateUnusable.
    """
    delivery = settings.delivery
    if not commitment_plans_of(settings):
        yield
        return
    if deaf_to := unheard(settings):
        _log.warning(
            "reports of storage commitment are heard on the association of the request only",
            destinations=deaf_to,
            remedy="list each of these archives under [[node.peers]] with its hosts, by the AE title of its "
            "destination: then the node, unless it is promiscuous, hears it on its own port",
        )
    committer.start()
    with ExitStack() as listening:
        listening.callback(committer.stop)
        for port, tls in ((delivery.commitment_port, None), (delivery.commitment_tls_port, settings.node.tls)):
            if port is not None:
                over_tls = tls is not None
                listener = CommitmentListener(
                    settings.node.ae_title,
                    delivery.commitment_host,
                    port,
                    partial(committer.take_report, over_tls=over_tls),
                    admits=partial(committer.admits, over_tls=over_tls),
                    tls=tls,
                    witness=witness,
                )
                listening.callback(listener.close)
        yield
