"""What a child of `wetread worker` reads with, built from the settings; it imports all that a job needs."""

from ops.assembly_line import assumed_sets, catalog_of, model_host_socket, open_ledger, told_of
from ops.prior_search import priors_of
from ops.settings import Settings
from worker.hosting.model_client import ModelClient
from worker.pipeline import Pipeline
from worker.recipe import recipe_digest
from worker.unread import UnreadNotes


def pipeline_of(settings: Settings) -> Pipeline:
    """Return the pipeline of one child, which opens the ledger: a database connection must not cross a fork."""
    ledger, catalog, assumed = open_ledger(settings), catalog_of(settings), assumed_sets(settings)
    destinations = {item.name: item.objects for item in settings.each_destination}
    conditions = {item.name: item.conditions for item in settings.each_destination}
    return Pipeline(
        ledger=ledger,
        catalog=catalog,
        host=ModelClient(model_host_socket(settings)),
        spool=settings.spool,
        results=settings.results,
        destinations=destinations,
        conditions=conditions,
        superseded={item.name: item.superseded for item in settings.each_destination},
        report=settings.report,
        settings=settings.worker,
        notes=UnreadNotes(
            ledger=ledger,
            catalog=catalog,
            spool=settings.spool,
            results=settings.results,
            destinations=destinations,
            conditions=conditions,
            told_of=told_of(settings),
            report=settings.report,
            recipe=recipe_digest("none", settings.report),
            assumed=assumed,
        ),
        priors=priors_of(settings, ledger),
        assumed=assumed,
    )
