"""What the detector does, as frozen values; read from a file by `load`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from specter_core.config import load_config, without_credentials
from specter_core.errors import UsageError
from specter_detector import defaults
from specter_detector.formats import OutputFormat
from specter_detector.models.calendar import NO_HOLIDAYS, Holidays
from specter_detector.models.learners import Kind
from specter_detector.models.policy import Policy
from specter_detector.outputs import Bands
from specter_detector.packing import Limits
from specter_detector.presets.model import PRESET_NAMES, PresetName
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
from specter_detector.spool import SpoolOptions

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
        anomaly_type: what promql-anomaly-detection's dashboards take the series for.
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
    anomaly_type: str = "resource"


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a query has that says nothing else itself; see `Query`."""

    tz: str = "UTC"
    max_age: float = 90.0
    holidays: Holidays = NO_HOLIDAYS
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
    inherited: Inherited = Inherited()


@dataclass(frozen=True, slots=True)
class PresetBudget:
    """What presets may cost: series of all their queries, and seconds of each query."""

    max_series: int = defaults.PRESET_MAX_SERIES
    max_query_seconds: float = defaults.PRESET_MAX_QUERY_SECONDS


@dataclass(frozen=True, slots=True)
class Model:
    """One model and the queries and schedulers it is used with."""

    alias: str
    kind: Kind
    queries: tuple[str, ...]
    schedulers: tuple[str, ...]
    policy: Policy
    provide_series: tuple[str, ...]
    bands: Bands = "always"


@dataclass(frozen=True, slots=True)
class Scheduler:
    """When to learn and when to score, in seconds."""

    alias: str
    fit_every: float
    fit_window: float
    infer_every: float


@dataclass(frozen=True, slots=True)
class Writer:
    """Where the output goes and what it is called.

    Attributes:
        connection: the remote-write server.
        scrape: whether the outputs are shown on our own page instead of sent.
        form: what they are called.
        max_bands: series of a query whose band is written at a time, where it is not always.
        limits: of one request.
        spool: what waits for the server.
    """

    connection: Connection
    scrape: bool
    form: OutputFormat
    max_bands: int
    limits: Limits
    spool: SpoolOptions


@dataclass(frozen=True, slots=True)
class DetectorConfig:
    """Everything the detector needs to know."""

    reader: Reader
    models: Mapping[str, Model]
    schedulers: Mapping[str, Scheduler]
    writer: Writer
    shard: Shard = WHOLE
    dask_address: str | None = None
    presets: tuple[PresetName, ...] = PRESET_NAMES
    preset_budget: PresetBudget = PresetBudget()


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
    shard = from_environment(schema.shard.resolved())
    return DetectorConfig(
        reader=Reader(
            _connection(reader, reader_url, reader.timeout),
            {alias: _query(alias, query, reader) for alias, query in reader.queries.items()},
            reader.max_points_per_query,
            reader.max_concurrent_queries,
            reader.retention,
            Inherited(reader.tz, reader.max_age, reader.holidays.resolved(), reader.max_series_per_query),
        ),
        models={alias: _model(alias, model, schema) for alias, model in schema.models.items()},
        schedulers={
            alias: Scheduler(alias, scheduler.fit_every, scheduler.fit_window, scheduler.infer_every)
            for alias, scheduler in schema.schedulers.items()
        },
        writer=_writer(writer, _connection(login, writer_url, writer.timeout), shard),
        shard=shard,
        dask_address=schema.dask_address,
        presets=schema.presets,
        preset_budget=PresetBudget(schema.preset_budget.max_series, schema.preset_budget.max_query_seconds),
    )


def default_config(datasource_url: str) -> DetectorConfig:
    """Return what holds without a configuration file: every preset, read from and written to one server.

    Raises:
        UsageError: `datasource_url` is not an HTTP URL.
    """
    return resolve(DetectorSchema(), datasource_url=datasource_url)


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
        anomaly_type=schema.anomaly_type,
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
        bands=schema.bands or whole.writer.bands,
    )


def _writer(schema: WriterSchema, connection: Connection, shard: Shard) -> Writer:
    kind = schema.format or ("default" if schema.metric_format is None else "template")
    return Writer(
        connection,
        scrape=schema.mode == "scrape",
        form=OutputFormat(kind, schema.metric_format or defaults.METRIC_FORMAT, shard.extra_labels),
        max_bands=schema.max_bands,
        limits=Limits(schema.max_samples_per_request, schema.max_bytes_per_request),
        spool=SpoolOptions(schema.spool.folder, schema.spool.max_bytes, schema.spool.max_age),
    )
