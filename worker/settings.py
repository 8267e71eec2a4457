"""What a site may set about jobs, models and deliveries; destinations are in `worker.delivery.destination_settings`."""

from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from models.runtime_names import Precision, RuntimeName
from worker.broker_url import require_readable
from worker.languages import Language

#: So long before now there are dates; who means never writes so.
_CENTURY_DAYS = 36_500


class Section(BaseModel):
    """A frozen section of the settings file that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def at_home(path: Path) -> Path:
    """Return a path whose ~ is a user's home. Raises ValueError where there is no such user."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: this machine knows no home of that user; write the path out") from error


class WorkerSettings(Section):
    """How jobs are worked."""

    processes: int = Field(default=1, ge=1, le=64, description="children that each work one whole job at a time")
    queues: tuple[str, ...] = Field(default=("cpu",), min_length=1, description="queues this worker takes jobs from")
    lease_s: float = Field(default=60.0, gt=0, description="a claim without heartbeat is freed after this")
    max_attempts: int = Field(default=3, ge=1, description="a job is failed after this many attempts")
    retry_delay_s: float = Field(default=5.0, ge=0, description="wait before the next attempt")
    job_time_limit_s: float = Field(default=1800.0, gt=0, description="a job that takes longer is ended")
    memory_limit_gib: float = Field(
        default=8.0, gt=0, description="of one child; decoding a bomb ends one job, not the host"
    )
    model_threads: int = Field(default=0, ge=0, description="threads of a network; 0: all cores")
    models_at_once: int = Field(
        default=1,
        ge=1,
        le=64,
        description="networks that run at the same time; each has model_threads, so one on a CPU",
    )
    batch_wait_ms: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="longest wait for other jobs' inputs to share a batch with, where max_batch of the card allows; 0: "
        "only what waits already",
    )
    model_memory_gib: float = Field(
        default=0.0, ge=0, description="of all resident models; the least recently used leaves for another; 0: no limit"
    )
    reconcile_every_s: float = Field(default=5.0, gt=0, description="how often queued and silent jobs get a new token")
    consumer_silence_s: float = Field(
        default=60.0,
        ge=4,
        description="a worker that gets none of the tokens it sends to itself for so long, though a child is free, is "
        "started again",
    )
    max_voxels: int = Field(default=1_000_000_000, gt=0, description="larger series are refused before decoding")


class ModelsSettings(Section):
    """Where models are and which of them run."""

    path: tuple[Path, ...] = Field(default=(), description="model directories beside those in the data directory")
    enabled: tuple[str, ...] = Field(default=(), description="ids of models that run; empty: every complete model")
    runtimes: tuple[RuntimeName, ...] = Field(
        default=("onnxruntime",),
        min_length=1,
        description="the first that gives a model's golden answers here runs it; listing two allows falling back",
    )
    precision: dict[str, Precision] = Field(
        default={},
        description='by model id, such as { "brain-structures" = "bf16" }; else fp32. Another one needs a build that '
        "passed: `wetread models build`",
    )
    research: bool = Field(default=True, description="whether models of regulatory status research may run")


class ReportSettings(Section):
    """How results speak to this site's radiologists."""

    language: Language = Field(default="en", description="of sentences in text SR, pictures, documents and messages")
    time_zone: str = Field(default="", description="IANA name, such as Europe/Berlin; empty: the machine's")
    measurements: tuple[str, ...] = Field(
        default=(), description="code values or meanings, such as Volume; others are left out of results; empty: all"
    )
    min_certainty_percent: float = Field(
        default=0.0,
        ge=0.0,
        le=100.0,
        description="findings, with their heat maps, and detections that are less certain are left out",
    )
    min_diameter_mm: float = Field(
        default=0.0, ge=0.0, description="detections whose diameter is smaller are left out; a card may leave out more"
    )
    prior: bool = Field(
        default=True,
        description="compare with an earlier read of the same patient by the same model, where there is one",
    )

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value or "UTC")
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is no time zone of this machine; write one such as Europe/Berlin") from error
        return value

    @property
    def has_thresholds(self) -> bool:
        """Whether something that was found may be left out."""
        return self.min_certainty_percent > 0 or self.min_diameter_mm > 0

    @property
    def thresholds(self) -> tuple[str, ...]:
        """What may be left out, as reports keep it for who compares with them later; empty where nothing is."""
        named = {"min_certainty_percent": self.min_certainty_percent, "min_diameter_mm": self.min_diameter_mm}
        return tuple(f"{name}={value:g}" for name, value in named.items() if value > 0)

    @property
    def zone(self) -> ZoneInfo | None:
        """The site's zone; None for the machine's, as `datetime.astimezone` takes it."""
        return ZoneInfo(self.time_zone) if self.time_zone else None


class DeliverySettings(Section):
    """How results leave."""

    first_retry_s: float = Field(default=30.0, gt=0, description="wait after the first attempt; it doubles")
    longest_retry_s: float = Field(default=600.0, gt=0, description="longest wait between attempts")
    give_up_after_days: float = Field(
        default=14.0, gt=0, le=_CENTURY_DAYS, description="then a result is abandoned, and an admin sees it"
    )
    study_wait_s: float = Field(
        default=3600.0,
        ge=0,
        le=30 * 86400.0,
        description="how long results wait for a study that the archive of an identity check has not got yet, from the "
        "first look; then their job is held. 0: at once",
    )
    poll_s: float = Field(default=1.0, gt=0, description="how often the ledger is asked for work")
    breaker_after: int = Field(
        default=3,
        ge=1,
        description="after so many connections in a row that failed, a destination gets nothing until it answers a "
        "C-ECHO or its like",
    )
    commitment_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="port for reports of storage commitment from archives without an entry in `[[node.peers]]`, which "
        "must know our AE title with it; who has one reports to the node",
    )
    commitment_tls_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="the same inside TLS, by what [node.tls] says; then archives that are called over TLS report here, "
        "not at `commitment_port`",
    )
    commitment_host: str = Field(default="127.0.0.1", description="address to hear those reports on")

    @model_validator(mode="after")
    def _waits_before_giving_up(self) -> Self:
        if self.study_wait_s > self.give_up_after_days * 86400:
            raise ValueError(
                "study_wait_s is longer than give_up_after_days: results were abandoned while their study is awaited"
            )
        return self


class RetentionSettings(Section):
    """When what was received and sent is removed. What is not settled stays, however full the disk is."""

    images_days: float = Field(
        default=14.0,
        ge=0,
        le=_CENTURY_DAYS,
        description="images of a settled study are removed after so many days; 0: never",
    )
    results_days: float = Field(
        default=90.0,
        ge=0,
        le=_CENTURY_DAYS,
        description="copies of results that every destination has; 0: never. Priors come from them",
    )
    ledger_days: float = Field(
        default=0.0,
        ge=0,
        le=_CENTURY_DAYS,
        description="what the ledger knows of a study whose images and results are gone; 0: never",
    )
    make_room_below_bytes: int = Field(
        default=2 << 30,
        ge=0,
        description="with less free space on the spool's disk, images of settled studies go before their days, the "
        "oldest first; 0: never",
    )
    every_s: float = Field(default=300.0, gt=0, description="how often is looked")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.ledger_days and not (0 < self.images_days <= self.ledger_days >= self.results_days > 0):
            raise ValueError(
                "ledger_days must be as long as images_days and results_days, neither of them 0: images whose rows are "
                "gone would be read again"
            )
        return self


class BrokerSettings(Section):
    """The Redis that carries tokens."""

    url: str = Field(default="", description="redis://..., rediss://... or redis+socket://...; empty: the embedded one")
    ca_file: Path | None = Field(
        default=None, description="of a rediss:// URL: certificates to trust beside the system's, PEM"
    )

    @field_validator("url")
    @classmethod
    def _readable(cls, value: str) -> str:
        if value:
            require_readable(value)
        return value

    @model_validator(mode="after")
    def _has_tls(self) -> Self:
        if self.ca_file is not None and not self.url.startswith("rediss://"):
            raise ValueError(
                "ca_file is of a rediss:// url; without one nothing is encrypted, and it would mean nothing"
            )
        return self


#: What may stand before :// in `ledger.url`.
LEDGER_SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg")


class LedgerSettings(Section):
    """The database of studies, jobs and deliveries."""

    url: str = Field(
        default="",
        description="sqlite:///PATH, or postgresql://USER@HOST:PORT/DATABASE where several machines share it; empty: "
        "ledger.sqlite3 in the data directory",
    )
    password_file: Path | None = Field(
        default=None,
        description="file with PostgreSQL's password, read at each connection; left out: in the URL, or as libpq finds "
        "it (PGPASSFILE, PGPASSWORD)",
    )
    patient_secret: Path | None = Field(
        default=None,
        description="file with the secret of patients' digests, one for all machines that share a ledger; left out: "
        "patient-secret in the data directory, made where it is missing",
    )

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str) -> str:
        if value and value.partition("://")[0] not in LEDGER_SCHEMES:
            raise ValueError("must start with sqlite:/// or postgresql://")
        return value
