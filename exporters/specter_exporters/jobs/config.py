"""Read which jobs there are and when they are to run: one file, every error at once."""

import base64
import string
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from specter_core.config import ConfigError, Problem, Schema, load_config
from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_exporters.business.senders import MAX_TOKEN, MIN_TOKEN
from specter_exporters.jobs.deliveries.der import p256_key
from specter_exporters.jobs.deliveries.signatures import hmac_key
from specter_exporters.jobs.model import Job, Kind
from specter_exporters.jobs.schedules import Calendar, Cron, Every, Schedule
from specter_exporters.logs.schema import Seconds
from specter_exporters.proxies import TrustedProxies, valid_network
from specter_exporters.run.pings import JOB_NAME

MOST_JOBS = 20_000
MOST_MADE = 10_000
MOST_PROVIDERS = 20
MIN_KEY = 16
MAX_KEY = 128
_KEY_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_")


def _name(text: str) -> str:
    if not JOB_NAME.fullmatch(text):
        raise ValueError("expected lower-case letters, digits, - and _, at most 100: it is part of a URL")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError("is no time zone such as Europe/Berlin") from None
    return text


Zone = Annotated[str, AfterValidator(_zone)]


class JobSchema(Schema):
    """One entry of `jobs`."""

    name: Annotated[str, AfterValidator(_name)]
    kind: Kind = "other"
    cron: str | None = None
    on_calendar: str | tuple[str, ...] | None = None
    every: Annotated[Seconds, Field(ge=1)] | None = None
    time_zone: Zone | None = None
    grace: Annotated[Seconds, Field(ge=1, le=31_536_000)] = 300.0
    max_duration: Annotated[Seconds, Field(ge=1, le=31_536_000)] = 86_400.0
    uuid_file: Path | None = None

    @model_validator(mode="after")
    def _schedule(self) -> "JobSchema":
        said = [name for name in ("cron", "on_calendar", "every") if getattr(self, name) is not None]
        if len(said) > 1:
            raise ValueError(f"has {' and '.join(said)}: one of them says when it is to run")
        # A wrong expression is an error of the file, with its line.
        _schedule(self, self.time_zone or "UTC")
        return self


def _dsn(text: str) -> str:
    from specter_exporters.postgres.config import valid_dsn  # noqa: PLC0415  (psycopg: with a database alone)

    return valid_dsn(text)


class DatabaseSchema(Schema):
    """The database that keeps jobs, in place of a folder."""

    dsn: Annotated[str, AfterValidator(_dsn)] = Field(repr=False)
    password_file: Path | None = None


class DeliverySchema(Schema):
    """One entry of `deliveries`."""

    name: Annotated[str, AfterValidator(_name)]
    kind: Literal["ses", "sendgrid", "webhook"]
    topic: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d+:[\w.-]+$")] | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _one(self) -> "DeliverySchema":
        is_ses = self.kind == "ses"
        if (self.topic is not None) != is_ses or (self.key_file is None) != is_ses:
            raise ValueError("ses has a topic, sendgrid and webhook a key_file")
        return self


class JobsSchema(Schema):
    """The file."""

    deliveries: tuple[DeliverySchema, ...] = Field(default=(), max_length=MOST_PROVIDERS)

    database: DatabaseSchema | None = None

    jobs: tuple[JobSchema, ...] = Field(default=(), max_length=MOST_JOBS)
    time_zone: Zone = "UTC"
    ping_key_file: Path | None = None
    push_token_file: Path | None = None
    read_token_file: Path | None = None
    most_made: int = Field(default=0, ge=0, le=MOST_MADE)
    forget: frozenset[str] = Field(default=frozenset(), max_length=MOST_MADE)
    requests_per_second: float = Field(default=5000.0, gt=0, le=100_000)
    job_requests_per_second: float = Field(default=10.0, gt=0, le=100_000)
    client_failures_per_second: float = Field(default=5.0, gt=0, le=100_000)
    trusted_proxies: tuple[Annotated[str, AfterValidator(valid_network)], ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "JobsSchema":
        twice = sorted(name for name, count in Counter(job.name for job in self.jobs).items() if count > 1)
        if twice:
            raise ValueError(f"jobs: {', '.join(twice)} appears twice")
        providers = [each.name for each in self.deliveries]
        if len(set(providers)) < len(providers):
            raise ValueError("deliveries: a name appears twice")
        if self.most_made and self.ping_key_file is None:
            raise ValueError("most_made: jobs are made by a slug and the ping key; give a ping_key_file")
        return self


@dataclass(frozen=True, slots=True)
class PingLimits:
    """How many requests are taken a second: of all, of one job, and of a client that finds nothing."""

    requests: float = 5000.0
    of_job: float = 10.0
    failures_of_client: float = 5.0


@dataclass(frozen=True, slots=True)
class Database:
    """Where jobs are kept: a libpq connection string without a password, and the file that has it."""

    dsn: str = field(repr=False)
    password_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Provider:
    """Who tells of deliveries; `secret` is a topic (ses), a public key (sendgrid) or a shared secret."""

    name: str
    kind: Literal["ses", "sendgrid", "webhook"]
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class JobsConfig:
    """The configuration as the exporter takes it.

    Without `ping_key` no slugs are taken, without `push_token` no pushes, and without `read_token` nobody may
    read what is kept.
    """

    jobs: tuple[Job, ...]
    ping_key: str | None = field(default=None, repr=False)
    push_token: str | None = field(default=None, repr=False)
    read_token: str | None = field(default=None, repr=False)
    most_made: int = 0
    limits: PingLimits = PingLimits()
    proxies: TrustedProxies = field(default_factory=TrustedProxies)
    database: Database | None = None
    providers: tuple[Provider, ...] = ()
    forgotten: frozenset[str] = frozenset()


def load(path: Path) -> JobsConfig:
    """Read the file; relative paths in it start from its folder.

    Raises:
        ConfigError: it cannot be read or breaks the schema, or a file that it names cannot be used.
    """
    schema = load_config(path, JobsSchema)
    folder = path.parent.resolve()
    problems: list[Problem] = []
    read = partial(_secret, problems, str(path))
    key = read("ping_key_file", folder, schema.ping_key_file, _ping_key)
    push = read("push_token_file", folder, schema.push_token_file, _token)
    reading = read("read_token_file", folder, schema.read_token_file, _token)
    providers = tuple(
        Provider(
            each.name,
            each.kind,
            each.topic
            or read(f"deliveries[{index}].key_file", folder, each.key_file, KEYS.get(each.kind, str))
            or "",
        )
        for index, each in enumerate(schema.deliveries)
    )
    jobs = tuple(
        _job(each, schema.time_zone, read(f"jobs[{index}].uuid_file", folder, each.uuid_file, _uuid))
        for index, each in enumerate(schema.jobs)
    )
    uuids = [job.uuid for job in jobs if job.uuid is not None]
    if len(set(uuids)) < len(uuids):
        problems.append(Problem(str(path), None, "jobs", "two jobs have the same UUID"))
    if problems:
        raise ConfigError(problems)
    limits = PingLimits(
        schema.requests_per_second, schema.job_requests_per_second, schema.client_failures_per_second
    )
    return JobsConfig(
        jobs,
        key,
        push,
        reading,
        schema.most_made,
        limits,
        TrustedProxies(schema.trusted_proxies),
        _database(schema, folder),
        providers,
        schema.forget,
    )


def _database(schema: JobsSchema, folder: Path) -> Database | None:
    if schema.database is None:
        return None
    file = schema.database.password_file
    return Database(schema.database.dsn, None if file is None else folder / file)


def _job(each: JobSchema, zone: str, uuid: str | None) -> Job:
    schedule = _schedule(each, each.time_zone or zone)
    return Job(each.name, each.kind, schedule, each.grace, each.max_duration, uuid)


def _schedule(each: JobSchema, zone: str) -> Schedule | None:
    """Return when a job is to run.

    Raises:
        ValueError: the expression is none; the message says of which key.
    """
    try:
        if each.cron is not None:
            return Cron(each.cron, ZoneInfo(zone))
        if each.on_calendar is not None:
            several = (each.on_calendar,) if isinstance(each.on_calendar, str) else each.on_calendar
            return Calendar(several, ZoneInfo(zone))
    except ValueError as error:
        raise ValueError(f"{'cron' if each.cron is not None else 'on_calendar'}: {error}") from error
    return None if each.every is None else Every(each.every)


def _secret(
    problems: list[Problem],
    file: str,
    key: str,
    folder: Path,
    path: Path | None,
    check: Callable[[str], str],
) -> str | None:
    """Return what the file of a secret holds, or note a problem; the message never quotes it."""
    if path is None:
        return None
    try:
        return check(read_secret_file(folder / path, what=key))
    except (SpecterError, ValueError) as error:
        problems.append(Problem(file, None, key, str(error).removeprefix(f"{key}: ")))
        return None


def _ping_key(text: str) -> str:
    if not MIN_KEY <= len(text) <= MAX_KEY or not _KEY_CHARACTERS.issuperset(text):
        raise ValueError(
            f"expected {MIN_KEY} to {MAX_KEY} letters, digits, - and _; make one: openssl rand -hex 16"
        )
    return text


def _token(text: str) -> str:
    if not MIN_TOKEN <= len(text) <= MAX_TOKEN or " " in text or not text.isascii():
        raise ValueError(
            f"expected {MIN_TOKEN} to {MAX_TOKEN} ASCII characters without a space; make one: "
            "openssl rand -hex 32"
        )
    return text


def _uuid(text: str) -> str:
    try:
        found = UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text.lower() or found.version != 4:
        raise ValueError("expected a random UUID (version 4); make one: uuidgen --random")
    return str(found)


def _sendgrid_key(text: str) -> str:
    try:
        p256_key(base64.b64decode(text, validate=True))
    except ValueError:
        raise ValueError("expected the verification key that SendGrid shows, one line of base64") from None
    return text


def _webhook_secret(text: str) -> str:
    if len(hmac_key(text)) < MIN_KEY:
        raise ValueError(f"expected {MIN_KEY} bytes or more; make one: openssl rand -hex 32")
    return text


KEYS: dict[str, Callable[[str], str]] = {"sendgrid": _sendgrid_key, "webhook": _webhook_secret}
