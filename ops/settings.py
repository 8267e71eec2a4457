"""One settings file (TOML), environment overrides, and paths that derive from the data directory."""

import difflib
import hashlib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, get_args

import platformdirs
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from dicom_node.settings import NodeSettings
from dicom_node.spooling.disk import HOST
from ops.audit.settings import AuditSettings
from worker.delivery.destination_settings import (
    DestinationSettings,
    DicomDestinationSettings,
    SenderDestinationSettings,
    SingleDestination,
    each_of,
)
from worker.jobs.priority_settings import PriorityRule, WorklistSettings
from worker.notifying.notification_settings import ChannelSettings, NotifyingSettings
from worker.settings import (
    BrokerSettings,
    DeliverySettings,
    LedgerSettings,
    ModelsSettings,
    ReportSettings,
    RetentionSettings,
    Section,
    WorkerSettings,
    at_home,
)

_PREFIX = "WETREAD_"
#: Read by the command line or by programs beside it, not settings.
_NOT_SETTINGS = {
    *("WETREAD_ENGINE_CACHE", "WETREAD_OHIF_DIST", "WETREAD_PARENT", "WETREAD_SEED", "WETREAD_SETTINGS"),
    "WETREAD_TEST_DATA",
}
#: sun_path holds 108 bytes on Linux; Redis and ours add a name to the directory.
_LONGEST_SOCKET_FOLDER = 80


#: Of a number that is no whole one, as seconds, days and GiB are: thirty years in seconds.
_LARGEST = 1e9
#: Of a destination that does not say its kind.
_DEFAULT_KIND = "dicom"


class SettingsError(Exception):
    """The settings are wrong: the message names the place, the key and what is allowed."""


class WebSettings(Section):
    """The page."""

    host: str = Field(default="127.0.0.1", description="loopback only: the page has no log-in yet")
    port: int = Field(default=8080, ge=0, le=65535, description="port of the page")
    inside_container: bool = Field(default=False, description="allow another host, where only the container sees it")
    names: tuple[str, ...] = Field(
        default=(),
        description="host names under which the page may be asked beside localhost, without port: a proxy's in front "
        "of it, or the one that Prometheus scrapes",
    )

    @field_validator("names")
    @classmethod
    def _plain_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9A-Fa-f.]*(:[0-9A-Fa-f.]*){2,}", name):
                raise ValueError(f"{name!r} is no host name; write it without scheme, port, path and *")
        return value


class Settings(Section):
    """Everything that a site may set."""

    data: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("wetread")),
        description="directory of spool, ledger, results, models and the embedded servers' files",
    )
    node: NodeSettings = NodeSettings()
    worker: WorkerSettings = WorkerSettings()
    models: ModelsSettings = ModelsSettings()
    ledger: LedgerSettings = LedgerSettings()
    broker: BrokerSettings = BrokerSettings()
    delivery: DeliverySettings = DeliverySettings()
    report: ReportSettings = ReportSettings()
    retention: RetentionSettings = RetentionSettings()
    destinations: tuple[DestinationSettings, ...] = ()
    priorities: tuple[PriorityRule, ...] = ()
    worklist: WorklistSettings | None = None
    notifications: tuple[ChannelSettings, ...] = ()
    notifying: NotifyingSettings = NotifyingSettings()
    web: WebSettings = WebSettings()
    audit: AuditSettings = AuditSettings()

    @field_validator("data", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        # As of a variable that is set to nothing: it would be the directory in which wetread happens to be started.
        if value == "":
            raise ValueError("is empty; name a directory, or leave it out")
        return value

    @field_validator("data")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return at_home(value).absolute()

    @field_validator("web")
    @classmethod
    def _loopback(cls, value: WebSettings) -> WebSettings:
        if not value.inside_container and value.host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError("web.host must be a loopback address: the page has no log-in yet; put a proxy in front")
        return value

    @model_validator(mode="after")
    def _archives_are_known(self) -> Self:
        names = [item.name for item in self.each_destination if isinstance(item, DicomDestinationSettings)]
        for name in (self.node.counts_from, *(peer.counts_from for peer in self.node.peers)):
            if name and "@" not in name and name not in names:
                allowed = ", ".join(names) or "none: no [[destinations]] is a DICOM archive"
                raise ValueError(
                    f"counts_from: no DICOM destination is named {name!r}; allowed are AE@host:port, {allowed}"
                )
        return self

    @model_validator(mode="after")
    def _reports_can_be_heard(self) -> Self:
        delivery = self.delivery
        if delivery.commitment_tls_port is None:
            return self
        if self.node.tls is None:
            raise ValueError(
                "delivery.commitment_tls_port: there is no certificate to show; name one under [node.tls], or use "
                "commitment_port"
            )
        if delivery.commitment_tls_port == delivery.commitment_port:
            raise ValueError("delivery.commitment_tls_port and commitment_port are the same: give each its own")
        return self

    @field_validator("notifications")
    @classmethod
    def _named_once(cls, value: tuple[ChannelSettings, ...]) -> tuple[ChannelSettings, ...]:
        if len({channel.name for channel in value}) < len(value):
            raise ValueError("two channels have the same name; the ledger could not tell them apart")
        return value

    @field_validator("destinations")
    @classmethod
    def _each_named_once(cls, value: tuple[DestinationSettings, ...]) -> tuple[DestinationSettings, ...]:
        if len({item.name for item in value}) < len(value):
            raise ValueError("two destinations have the same name; the ledger could not tell them apart")
        for item in value:
            titles = [peer.ae_title for peer in item.peers] if isinstance(item, SenderDestinationSettings) else []
            if len(set(titles)) < len(titles):
                raise ValueError(f"{item.name}: a sender is listed twice")
        return value

    @property
    def each_destination(self) -> tuple[SingleDestination, ...]:
        """Every destination that has a queue of its own: those of `destinations`, and each sender."""
        return each_of(self.destinations)

    @property
    def spool(self) -> Path:
        """Where instances are kept."""
        return self.data / "spool"

    @property
    def audit_folder(self) -> Path:
        """Where the audit trail is, and its messages wait."""
        return self.data / "audit"

    @property
    def results(self) -> Path:
        """Where results are kept."""
        return self.data / "results"

    @property
    def builds(self) -> Path:
        """Where models in lower precisions are kept, with what was measured of them."""
        return self.data / "builds"

    @property
    def model_paths(self) -> tuple[Path, ...]:
        """Where models are looked for, beside the built-in ones; the data directory's count most."""
        return (*self.models.path, self.data / "models")

    @property
    def run(self) -> Path:
        """A private directory for this machine's sockets; a short one where the data directory's name is long."""
        inside = self.data / "run" / HOST
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_FOLDER:
            return inside
        digest = hashlib.sha256(os.fsencode(inside)).hexdigest()
        return Path(tempfile.gettempdir()) / f"wetread-{os.getuid()}-{digest[:12]}"

    @property
    def named_models(self) -> frozenset[str]:
        """Ids of models that some setting names, whether they are here or not."""
        to_destinations = (model for item in self.each_destination for model in item.models)
        return frozenset((*self.models.enabled, *self.models.precision, *to_destinations))

    @property
    def patient_secret(self) -> Path:
        """The file with the secret of patients' digests."""
        return self.ledger.patient_secret or self.data / "patient-secret"

    @property
    def ledger_url(self) -> str:
        """The ledger's SQLAlchemy URL."""
        return self.ledger.url or f"sqlite:///{self.data / 'ledger.sqlite3'}"


def load(file: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings file, where there is one, and the environment's overrides.

    ``WETREAD_NODE__PORT=104`` overrides ``port`` under ``[node]``; values are TOML where they parse as such.

    Raises SettingsError with the place, the key and what is allowed.
    """
    table = _read(file) if file is not None else {}
    origin = str(file) if file is not None else "settings"
    overrides = {}
    for name, value in sorted(environ.items()):
        if name.startswith(_PREFIX) and name not in _NOT_SETTINGS:
            overrides[_override(table, name, value)] = name
    try:
        settings = Settings.model_validate(table)
    except ValidationError as error:
        by_origin: dict[str, list[str]] = {}
        for problem in error.errors():
            by_origin.setdefault(_variable(problem["loc"], overrides) or origin, []).append(_explain(problem))
        problems = "; ".join(f"{where}: {'; '.join(told)}" for where, told in by_origin.items())
        end = "" if problems.endswith("?") else "."
        raise SettingsError(f"{problems}{end} Every key is in docs/configure.md") from error
    if endless := list(_endless(settings.model_dump())):
        raise SettingsError(f"{origin}: {', '.join(endless)}: must be at most {_LARGEST:g}; nothing waits for ever")
    return settings


def _read(file: Path) -> dict[str, Any]:
    try:
        # Some editors begin a file with a byte order mark.
        text = file.read_text(encoding="utf-8-sig")
        # JSON is what `wetread up` writes for its parts.
        table: dict[str, Any] = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read ({error.strerror}); is the path right?") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise SettingsError(f"{file}: is not TOML ({error})") from error
    return table


def _override(table: dict[str, Any], name: str, value: str) -> tuple[str, ...]:
    """Set a variable's value in the table; return the path of its key."""
    *sections, key = name.removeprefix(_PREFIX).lower().split("__")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise SettingsError(f"{name}: {section} is no table of single keys; set it as a whole, or in the file")
    try:
        table[key] = tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        table[key] = value
    return (*sections, key)


def _variable(path: tuple[Any, ...], overrides: Mapping[tuple[str, ...], str]) -> str:
    """Return the variable that has set what lies at a path; empty where none has."""
    return next((name for set_, name in overrides.items() if path[: len(set_)] == set_), "")


def _endless(value: Any, path: str = "") -> Iterator[str]:
    """Yield the keys of numbers that no clock, socket or thread can wait for."""
    if isinstance(value, float) and not value <= _LARGEST:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, tuple | list) else ()
    for key, one in inner:
        yield from _endless(one, f"{path}.{key}" if path else str(key))


def _explain(problem: Any) -> str:
    key = ".".join(_as_written(problem["loc"]))
    if problem["type"] == "value_error":
        # Our own sentence, without pydantic's "Value error" before it; of the whole it names its keys itself.
        return f"{key}: {problem['ctx']['error']}" if key else str(problem["ctx"]["error"])
    if problem["type"] == "tuple_type":
        return f"{key}: must be a list, in brackets: [ ]"
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg']}"
    allowed = _keys_of(problem["loc"][:-1])
    near = _sections_joined(allowed, key) or difflib.get_close_matches(str(problem["loc"][-1]), allowed, n=1)
    return f"{key}: unknown key" + (f", did you mean {near[0]}?" if near else f"; allowed are {', '.join(allowed)}")


def _sections_joined(allowed: list[str], key: str) -> list[str]:
    """Return what was meant where a variable has one underscore between section and key, and needs two."""
    section, _, rest = key.partition("_")
    if section not in allowed or rest not in _keys_of((section,)):
        return []
    return [f"{section}.{rest}, as a variable {_PREFIX}{section.upper()}__{rest.upper()} (two underscores)"]


def _as_written(path: tuple[Any, ...]) -> list[str]:
    """Return a path as it is in the file, where a kind that is the default one may be left out."""
    return [
        str(part)
        for before, part in zip((None, *path), path, strict=False)
        if not (isinstance(before, int) and part == _DEFAULT_KIND)
    ]


def _keys_of(path: tuple[Any, ...]) -> list[str]:
    models: list[type[BaseModel]] = [Settings]
    for part in (part for part in path if isinstance(part, str)):
        field = models[0].model_fields.get(part) if len(models) == 1 else None
        # Where several records are possible, the next part is the tag of the one that is meant.
        models = sections_of(field.annotation) if field is not None else _tagged(models, part)
    return sorted({name for model in models for name in model.model_fields})


def sections_of(annotation: Any) -> list[type[BaseModel]]:
    """Return the records that an annotation names, in its order; none for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in sections_of(inner)]


def _tagged(models: list[type[BaseModel]], tag: str) -> list[type[BaseModel]]:
    named = [
        model
        for model in models
        if tag == model.__name__
        or ("kind" in model.model_fields and tag in get_args(model.model_fields["kind"].annotation))
    ]
    return named or models
