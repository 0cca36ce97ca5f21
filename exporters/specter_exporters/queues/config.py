"""Read which brokers to ask: one file, every error at once, passwords in files of their own."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from specter_core.config import Schema, load_config
from specter_core.named_files import file_problem
from specter_exporters.logs.schema import Seconds
from specter_exporters.queues.celery_exchange import PORTS, CeleryBroker
from specter_exporters.queues.kafka import KafkaServer
from specter_exporters.queues.on_redis.model import SYSTEMS, Discovered, Head, Key, Kind, RedisServer, Score
from specter_exporters.queues.rabbitmq import Api, RabbitServer

MOST_SERVERS = 50
MOST_KEYS = 1000
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.:/-]*")
_REDIS = ("redis", "rediss", "unix")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text) or len(text) > 200:
        raise ValueError("expected at most 200 letters, digits and _ . : / -")
    return text


def redis_url(text: str) -> str:
    """Return the address of a Redis database.

    Raises:
        ValueError: it is none, or holds a password; the address is not repeated.
    """
    try:
        parts = urlsplit(text)
        password, port = parts.password, parts.port
    except ValueError:
        raise ValueError("is not an address such as redis://127.0.0.1:6379/0") from None
    if password is not None or "password=" in parts.query:
        raise ValueError("holds a password; write it to a file and name that as password_file")
    if parts.scheme not in _REDIS or port == 0 or not (parts.hostname or parts.path):
        raise ValueError("is not an address such as redis://127.0.0.1:6379/0")
    if parts.scheme != "unix" and not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("names a database that is no number, such as the 0 in redis://127.0.0.1:6379/0")
    if parts.query and parts.scheme != "unix":
        raise ValueError("has options after `?`; those that there are have settings of their own")
    return text


def _http_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        credentials, port = parts.username or parts.password, parts.port
    except ValueError:
        raise ValueError("is not an address such as http://127.0.0.1:15692") from None
    if credentials is not None:
        raise ValueError("holds a user or a password; they have settings of their own")
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or parts.query:
        raise ValueError("is not an address such as http://127.0.0.1:15692")
    return text


def _amqp_url(text: str) -> str:
    wrong = "is not an address with a user such as amqp://specter@127.0.0.1:5672/vhost"
    try:
        parts = urlsplit(text)
        password, port = parts.password, parts.port
    except ValueError:
        raise ValueError(wrong) from None
    if password is not None:
        raise ValueError("holds a password; write it to a file and name that as password_file")
    if parts.scheme not in PORTS or not parts.hostname or not parts.username or port == 0 or parts.query:
        raise ValueError(wrong)
    return text


def _address(text: str) -> str:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit():
        raise ValueError("expected HOST:PORT")
    return text


Name = Annotated[str, AfterValidator(_name)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
Address = Annotated[str, AfterValidator(_address)]
AmqpUrl = Annotated[str, AfterValidator(_amqp_url)]
RedisUrl = Annotated[str, AfterValidator(redis_url)]
KeyName = Annotated[str, Field(min_length=1, max_length=500)]


class KeySchema(Schema):
    """One entry of a Redis server's `queues`."""

    name: Name
    list: KeyName | None = None
    sorted_set: KeyName | None = None
    stream: KeyName | None = None
    head: Head = "right"
    score: Score = "due"
    dead_letters: KeyName | None = None
    dead_letters_kind: Kind | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        named = self.model_fields_set
        if sum(each is not None for each in (self.list, self.sorted_set, self.stream)) != 1:
            raise ValueError("expected one of list, sorted_set and stream")
        if "head" in named and self.list is None:
            raise ValueError("head is of lists only")
        if "score" in named and self.sorted_set is None:
            raise ValueError("score is of sorted sets only")
        if self.dead_letters_kind is not None and self.dead_letters is None:
            raise ValueError("dead_letters_kind says what dead_letters is, which is not given")
        return self

    def queue(self) -> Key:
        """Return it as the collectors know it."""
        kind: Kind = (
            "list" if self.list is not None else "sorted_set" if self.sorted_set is not None else "stream"
        )
        key = self.list or self.sorted_set or self.stream or ""
        return Key(
            self.name,
            kind,
            key,
            self.head,
            self.score,
            self.dead_letters or "",
            self.dead_letters_kind or kind,
        )


class RedisSchema(Schema):
    """One entry of `redis`."""

    name: Name = "redis"
    url: RedisUrl
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout: Seconds = Field(default=2.0, gt=0)
    discover: tuple[Discovered, ...] = SYSTEMS
    queues: tuple[KeySchema, ...] = Field(default=(), max_length=MOST_KEYS)
    max_queues: int = Field(default=500, ge=1, le=10_000)
    max_workers: int = Field(default=200, ge=1, le=2000)
    celery_priorities: tuple[int, ...] = Field(default=(0, 3, 6, 9), min_length=1, max_length=10)
    celery_separator: str = Field(default="\x06\x16", min_length=1, max_length=10)
    celery_prefix: str = Field(default="", max_length=100)
    bullmq_prefix: str = Field(default="bull", min_length=1, max_length=100)

    @model_validator(mode="after")
    def _names(self) -> Self:
        _once("queues", [f"{each.queue().kind} {each.name}" for each in self.queues])
        return self


class CelerySchema(Schema):
    """The `celery` of a RabbitMQ node."""

    url: AmqpUrl
    password_file: Path
    ca_file: Path | None = None
    timeout: Seconds = Field(default=3.0, gt=0)
    exchange: str = Field(default="celeryev", min_length=1, max_length=100)


class RabbitSchema(Schema):
    """One entry of `rabbitmq`."""

    name: Name = "rabbitmq"
    url: HttpUrl
    api: Api = "metrics"
    username: str = Field(default="", max_length=200)
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout: Seconds = Field(default=3.0, gt=0)
    max_queues: int = Field(default=500, ge=1, le=10_000)
    max_workers: int = Field(default=200, ge=1, le=2000)
    dead_letters: dict[str, str] = Field(default_factory=dict, max_length=MOST_KEYS)
    unattended: tuple[KeyName, ...] = Field(default=(), max_length=MOST_KEYS)
    celery: CelerySchema | None = None

    @model_validator(mode="after")
    def _user(self) -> Self:
        if bool(self.username) != (self.password_file is not None):
            raise ValueError("username and password_file belong together")
        return self


class KafkaSchema(Schema):
    """One entry of `kafka`."""

    name: Name = "kafka"
    bootstrap: tuple[Address, ...] = Field(min_length=1, max_length=20)
    groups: dict[str, tuple[str, ...]] = Field(min_length=1, max_length=100)
    options: dict[str, str] = Field(default_factory=dict)
    password_file: Path | None = None
    timeout: Seconds = Field(default=3.0, gt=0)
    max_queues: int = Field(default=500, ge=1, le=10_000)

    @model_validator(mode="after")
    def _secrets(self) -> Self:
        secret = sorted(name for name in self.options if "password" in name or "secret" in name)
        if secret:
            raise ValueError(f"options: {', '.join(secret)} is a secret; give a password as password_file")
        return self


class QueuesSchema(Schema):
    """The file."""

    redis: tuple[RedisSchema, ...] = Field(default=(), max_length=MOST_SERVERS)
    rabbitmq: tuple[RabbitSchema, ...] = Field(default=(), max_length=MOST_SERVERS)
    kafka: tuple[KafkaSchema, ...] = Field(default=(), max_length=MOST_SERVERS)

    @model_validator(mode="after")
    def _servers(self) -> Self:
        entries: tuple[RedisSchema | RabbitSchema | KafkaSchema, ...] = (
            *self.redis,
            *self.rabbitmq,
            *self.kafka,
        )
        names = [each.name for each in entries]
        if not names:
            raise ValueError("names no broker; give one under redis, rabbitmq or kafka")
        _once("servers", names)
        return self


def _once(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what}: {', '.join(twice)} appears twice")


Server = RedisServer | RabbitServer | KafkaServer


def load(path: Path) -> tuple[Server, ...]:
    """Read the file; relative paths in it start from its folder.

    Raises:
        ConfigError: it cannot be read or breaks the schema, or a file that it names is missing.
    """
    folder = path.parent.resolve()
    schema = load_config(path, QueuesSchema, lambda each: _missing_files(each, folder))
    return tuple(server_of(each, _files(each, folder), folder) for _, each in _entries(schema))


Entry = RedisSchema | RabbitSchema | KafkaSchema


def _entries(schema: QueuesSchema) -> Iterator[tuple[str, Entry]]:
    """Yield the brokers with their places in the file."""
    listed: tuple[tuple[str, tuple[Entry, ...]], ...] = (
        ("redis", schema.redis),
        ("rabbitmq", schema.rabbitmq),
        ("kafka", schema.kafka),
    )
    for kind, entries in listed:
        for index, each in enumerate(entries):
            yield f"{kind}[{index}]", each


def _files(each: Schema, folder: Path) -> dict[str, Path]:
    """Return the files that an entry names, by the names of its settings."""
    named = {name: getattr(each, name, None) for name in ("password_file", "ca_file")}
    return {name: folder / file for name, file in named.items() if file is not None}


def _missing_files(schema: QueuesSchema, folder: Path) -> Iterator[tuple[str, str]]:
    for where, each in _entries(schema):
        celery = getattr(each, "celery", None)
        inner = {} if celery is None else {f"celery.{k}": v for k, v in _files(celery, folder).items()}
        for name, file in (_files(each, folder) | inner).items():
            problem = file_problem(file)
            if problem is not None:
                yield f"{where}.{name}", problem


def server_of(each: Entry, files: Mapping[str, Path], folder: Path = Path()) -> Server:
    """Return a server as its source knows it, with the files that it names, relative to `folder`."""
    own = {"queues", "celery", "password_file", "ca_file"}
    given: dict[str, Any] = {**each.model_dump(exclude=own), **files}
    match each:
        case RedisSchema():
            return RedisServer(**given, queues=tuple(key.queue() for key in each.queues))
        case RabbitSchema():
            celery = None if each.celery is None else _celery(each.celery, folder)
            return RabbitServer(**given, celery=celery)
        case KafkaSchema():
            return KafkaServer(**given)


def _celery(each: CelerySchema, folder: Path) -> CeleryBroker:
    return CeleryBroker(**{**each.model_dump(), **_files(each, folder)})
