"""`wetread worker`: the model host and Celery's prefork children beside it, supervised as one."""

import sys

from ops.assembly_line import broker_url, model_host_socket, prepare_data
from ops.daemons.signals import stop_on_signals
from ops.settings import Settings
from ops.supervisor import Part, Supervisor


def run(settings: Settings, settings_arguments: list[str]) -> None:
    """Supervise both until SIGTERM; `settings_arguments` lead a child to the same settings."""
    stop = stop_on_signals()
    prepare_data(settings)
    supervisor = Supervisor(parts_of(settings, settings_arguments))
    try:
        supervisor.start(stop)
        supervisor.watch(stop)
    finally:
        supervisor.stop()


def parts_of(settings: Settings, settings_arguments: list[str]) -> tuple[Part, ...]:
    """Return the model host, and Celery, which is stopped first."""
    # -P: a folder in the working directory must not hide a package of the same name.
    command = [sys.executable, "-P", "-m", "ops.cli"]
    socket = model_host_socket(settings)
    return (
        Part(name="model-host", argv=[*command, "model-host", *settings_arguments], ready=socket.exists),
        Part(
            name="celery",
            argv=[*command, "celery-worker", *settings_arguments],
            grace_s=15.0,
            # SIGTERM starts Celery's soft shutdown: a few seconds for the jobs that run, then they are handed back.
            # Its warm shutdown would wait for the longest job.
            environment={"REMAP_SIGTERM": "SIGQUIT"},
        ),
    )


def run_celery(settings: Settings) -> None:
    """Run Celery's worker in this process."""
    # Imported here: the children inherit these modules by fork, the supervising process does without them.
    from ops.daemons.worker_child import pipeline_of  # noqa: PLC0415
    from worker.queueing.celery_app import make_app  # noqa: PLC0415
    from worker.queueing.consumer_watch import ConsumerWatch  # noqa: PLC0415
    from worker.queueing.tasks import register  # noqa: PLC0415

    app = make_app(broker_url(settings), settings.worker, ca_file=settings.broker.ca_file)
    register(app, lambda: pipeline_of(settings), settings.worker)
    watch = ConsumerWatch(app, silence_s=settings.worker.consumer_silence_s, processes=settings.worker.processes)
    watch.start_with_worker()
    app.worker_main(
        [
            "--quiet",
            "worker",
            "--queues",
            ",".join((*settings.worker.queues, watch.queue)),
            "--loglevel",
            "WARNING",
            "--without-gossip",
            "--without-mingle",
            "--hostname",
            "wetread@%h",
        ]
    )
