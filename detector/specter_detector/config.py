"""What the detector does, as frozen values; read from a file by `load`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from specter_core.config import load_config, without_credentials
from specter_core.errors import UsageError
from specter_detector import defaults
from specter_detector.models.calendar import NO_HOLIDAYS, Holidays
from specter_detector.models.learners import Kind
from specter_detector.models.policy import Policy
from specter_detector.schema import (
    ConnectionSchema,
    DetectorSchema,
    ModelSchema,
    QuerySchema,
    ReaderSchema,
    WriterSchema,
    check_url,
)
from specter_detector.shard import WHOLE, Shard, from_environment

DEFAULT_URL = "http://127.0.0.1:9090"


@dataclass(frozen=True, slots=True)
class Connection:
    """A server, and the files that hold what it takes to log in.

    Attributes:
        headers: sent with each request; nothing secret.
        headers_files: headers whose values are in files, read at each request.
        cert_file: with `key_file`, the certificate that this side shows.
        ca_file: whom to trust, instead of the system's authorities.
    """

    url: str
    timeout: float
    username: str | None = None
    password_file: Path | None = None
    bearer_token_file: Path | None = None
    ca_file: Path | None = None
    tenant_id: str | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers_files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression.

    Attributes:
        alias: its name, the value of the output's label `for`.
        step: seconds between the values of the history.
        data_range: lowest and highest possible value.
        tz: time zone of the series' days and weeks.
        offset: seconds into the past at which it is evaluated.
        max_age: seconds after which a sample no longer counts as the present.
        holidays: days that are like a Sunday.
        limit: PromQL expression for where the series end, see `limits`; None for nowhere.
        max_series: how many of its series are watched.
    """

    alias: str
    expr: str
    step: float
    data_range: tuple[float, float]
    tz: str
    offset: float
    max_age: float
    holidays: Holidays = NO_HOLIDAYS
    limit: str | None = None
    max_series: int = defaults.MAX_SERIES


@dataclass(frozen=True, slots=True)
class Reader:
    """The data source and what is asked of it.

    Attributes:
        max_points: points a series in one range query.
        max_concurrent: queries that run at a time.
        retention: seconds for which a series that vanished is absent, before it is forgotten.
    """

    connection: Connection
    queries: Mapping[str, Query]
    max_points: int
    max_concurrent: int = defaults.MAX_CONCURRENT
    retention: float = defaults.RETENTION


@dataclass(frozen=True, slots=True)
class Model:
    """One model and the queries and schedulers it is used with."""

    alias: str
    kind: Kind
    queries: tuple[str, ...]
    schedulers: tuple[str, ...]
    policy: Policy
    provide_series: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scheduler:
    """When to learn and when to score, in seconds."""

    alias: str
    fit_every: float
    fit_window: float
    infer_every: float


@dataclass(frozen=True, slots=True)
class Writer:
    """Where the output goes and what it is called."""

    connection: Connection
    metric_format: Mapping[str, str]
    max_pending_samples: int


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Everything the detector needs to know."""

    reader: Reader
    models: Mapping[str, Model]
    schedulers: Mapping[str, Scheduler]
    writer: Writer
    shard: Shard = WHOLE
    dask_address: str | None = None


def load(path: Path, *, datasource_url: str | None = None) -> DetectorConfig:
    """Read a configuration file.

    Args:
        path: the file.
        datasource_url: replaces the URL of both reader and writer.

    Raises:
        ConfigError: every error in the file, with line and dotted path.
    """
    return resolve(load_config(path, DetectorSchema), datasource_url=datasource_url)


def resolve(schema: DetectorSchema, *, datasource_url: str | None = None) -> DetectorConfig:
    """Fill in defaults and names; see `load`.

    Raises:
        UsageError: `datasource_url` is not an HTTP URL.
    """
    reader, writer = schema.reader, schema.writer
    try:
        override = check_url(datasource_url) if datasource_url else None
    except ValueError as error:
        raise UsageError(f"--datasource-url {_masked(datasource_url)!r}: {error}") from None
    reader_url = override or reader.datasource_url or DEFAULT_URL
    # A writer without a URL of its own writes where the reader reads, with the same login.
    login = writer if override is None and writer.datasource_url else reader
    writer_url = override or writer.datasource_url or reader_url
    return DetectorConfig(
        reader=Reader(
            _connection(reader, reader_url, reader.timeout),
            {alias: _query(alias, query, reader) for alias, query in reader.queries.items()},
            reader.max_points_per_query,
            reader.max_concurrent_queries,
            reader.retention,
        ),
        models={alias: _model(alias, model, schema) for alias, model in schema.models.items()},
        schedulers={
            alias: Scheduler(alias, scheduler.fit_every, scheduler.fit_window, scheduler.infer_every)
            for alias, scheduler in schema.schedulers.items()
        },
        writer=_writer(writer, _connection(login, writer_url, writer.timeout)),
        shard=from_environment(schema.shard.resolved()),
        dask_address=schema.dask_address,
    )


def _masked(url: str | None) -> str:
    """Hide all before the last `@` of what should be a URL and may lack its scheme."""
    return without_credentials(f"://{url}").removeprefix("://") if url and "@" in url else url or ""


def _connection(schema: ConnectionSchema, url: str, timeout: float) -> Connection:
    return Connection(
        url=url,
        timeout=timeout,
        username=schema.username,
        password_file=schema.password_file,
        bearer_token_file=schema.bearer_token_file,
        ca_file=schema.ca_file,
        tenant_id=schema.tenant_id,
        cert_file=schema.cert_file,
        key_file=schema.key_file,
        headers=schema.headers,
        headers_files=schema.headers_files,
    )


def _query(alias: str, schema: QuerySchema, reader: ReaderSchema) -> Query:
    return Query(
        alias=alias,
        expr=schema.expr,
        step=schema.step or reader.sampling_period,
        data_range=schema.data_range,
        tz=schema.tz or reader.tz,
        offset=schema.offset,
        max_age=schema.max_age or reader.max_age,
        holidays=(schema.holidays or reader.holidays).resolved(),
        limit=schema.limit,
        max_series=schema.max_series or reader.max_series_per_query,
    )


def _model(alias: str, schema: ModelSchema, whole: DetectorSchema) -> Model:
    return Model(
        alias=alias,
        kind=schema.class_,
        queries=tuple(whole.reader.queries) if schema.queries is None else schema.queries,
        schedulers=tuple(whole.schedulers) if schema.schedulers is None else schema.schedulers,
        policy=Policy(
            schema.detection_direction, schema.min_dev_from_expected, schema.min_rel_dev_from_expected
        ),
        provide_series=schema.provide_series or whole.writer.provide_series,
    )


def _writer(schema: WriterSchema, connection: Connection) -> Writer:
    return Writer(connection, schema.metric_format, schema.max_pending_samples)
