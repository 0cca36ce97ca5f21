"""The configuration file as written: keys in the words of vmanomaly and Prometheus.

Only the shape of the file; `crosschecks` looks at what must fit together and
`config` turns the result into what the rest of the package reads.
"""

import datetime as dt
import math
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from specter_core.config import Schema
from specter_core.errors import UsageError
from specter_detector import defaults
from specter_detector.crosschecks import Finding, find
from specter_detector.durations import PositiveDuration, StepDuration, WholeDuration
from specter_detector.formats import FormatName
from specter_detector.headers import HeaderFiles, Headers, HeaderValue
from specter_detector.models.calendar import CalendarError, Holidays
from specter_detector.models.learners import Kind
from specter_detector.models.policy import Direction
from specter_detector.names import LABEL_NAME, METRIC_NAME
from specter_detector.outputs import Bands
from specter_detector.packing import DEFAULT_LIMITS
from specter_detector.presets.model import PRESET_NAMES, PresetName
from specter_detector.shard import Shard, numbered
from specter_detector.sizes import Size

MAX_POINTS = 11_000
"""Prometheus refuses range queries with more points a series."""

FEWEST_POINTS = 100

SeriesName = Literal[
    "anomaly_score", "y", "yhat", "yhat_lower", "yhat_upper", "anomaly_confidence", "anomaly_direction"
]
PROVIDE_SERIES: tuple[SeriesName, ...] = ("anomaly_score", "yhat", "yhat_lower", "yhat_upper")


def check_url(text: str) -> str:
    """Return `text` without a trailing slash; ValueError unless it is an HTTP URL without credentials."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # a property that checks
    except ValueError:
        # Its message may repeat the user and the password.
        raise ValueError("expected a URL such as http://127.0.0.1:9090") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected a URL such as http://127.0.0.1:9090")
    if parts.password or parts.username:
        raise ValueError("no credentials in a URL: use username and password_file")
    return text.rstrip("/")


def _tz(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("expected a time zone such as UTC or Europe/Berlin") from None
    return text


def _pair(value: object) -> object:
    """A scalar means the same below and above."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value, value]
    if not isinstance(value, list | tuple) or len(value) != len(("below", "above")):
        raise ValueError("expected a number, or [below, above]")
    return value


def _range(value: tuple[float, float]) -> tuple[float, float]:
    if not value[0] < value[1] or math.isnan(value[0]):
        raise ValueError("expected [lowest, highest]")
    return value


def _format(value: dict[str, str]) -> dict[str, str]:
    if "$VAR" not in value.get("__name__", ""):
        raise ValueError("__name__ must contain $VAR, or all output series have one name")
    if not METRIC_NAME.fullmatch(value["__name__"].replace("$VAR", "x")):
        raise ValueError("__name__ is not a metric name")
    wrong = [name for name in value if not LABEL_NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"not a label name: {', '.join(wrong)}")
    return value


def _presets(value: object) -> object:
    """`auto` means every preset."""
    if value == "auto":
        return PRESET_NAMES
    if isinstance(value, str):
        raise ValueError("expected auto or a list of presets")  # noqa: TRY004  (pydantic wants a ValueError)
    return value


Url = Annotated[str, AfterValidator(check_url)]
TimeZone = Annotated[str, AfterValidator(_tz)]
Share = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Pair = Annotated[tuple[Share, Share], BeforeValidator(_pair)]
MaxSeries = Annotated[int, Field(ge=1, le=100_000)]
AnomalyType = Literal["requests", "latency", "errors", "resource"]
"""What promql-anomaly-detection's dashboards tell apart."""
Alias = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_\-]*$", max_length=64)]


class ConnectionSchema(Schema):
    """How to reach and log in to a server."""

    datasource_url: Url | None = None
    username: str | None = None
    password_file: Path | None = None
    bearer_token_file: Path | None = None
    ca_file: Path | None = None
    tenant_id: HeaderValue | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    headers: Headers = Field(default_factory=dict)
    headers_files: HeaderFiles = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_login(self) -> "ConnectionSchema":
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file belong together")
        if self.username is not None and self.bearer_token_file is not None:
            raise ValueError("either username and password_file, or bearer_token_file")
        return self

    @model_validator(mode="after")
    def _one_certificate(self) -> "ConnectionSchema":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")
        return self

    @model_validator(mode="after")
    def _one_value_a_header(self) -> "ConnectionSchema":
        names = [name.lower() for name in (*self.headers, *self.headers_files)]
        if self.tenant_id is not None:
            names.append("x-scope-orgid")
        if self.username is not None or self.bearer_token_file is not None:
            names.append("authorization")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"said in two ways: the header {', '.join(twice)}")
        return self


class HolidaysSchema(Schema):
    """Days that are like a Sunday."""

    country: str | None = None
    subdivision: str | None = None
    dates: tuple[dt.date, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> "HolidaysSchema":
        try:
            self.resolved()
        except CalendarError as error:
            raise ValueError(str(error)) from None
        return self

    def resolved(self) -> Holidays:
        """Return what the models read."""
        return Holidays(self.country, self.subdivision, tuple(date.isoformat() for date in self.dates))


class QuerySchema(Schema):
    """One PromQL expression; every series it returns is watched."""

    expr: Annotated[str, Field(min_length=1)]
    limit: Annotated[str, Field(min_length=1)] | None = None
    step: StepDuration | None = None
    data_range: Annotated[tuple[float, float], AfterValidator(_range)] = (-math.inf, math.inf)
    tz: TimeZone | None = None
    holidays: HolidaysSchema | None = None
    offset: WholeDuration = 0.0
    max_age: PositiveDuration | None = None
    max_series: MaxSeries | None = None
    anomaly_type: AnomalyType = "resource"


class ReaderSchema(ConnectionSchema):
    """Where the series come from."""

    queries: Annotated[dict[Alias, QuerySchema], Field(min_length=1)] = Field(default_factory=dict)
    sampling_period: StepDuration = defaults.STEP
    timeout: PositiveDuration = 10.0
    max_points_per_query: Annotated[int, Field(ge=FEWEST_POINTS, le=MAX_POINTS)] = 10_000
    max_series_per_query: MaxSeries = defaults.MAX_SERIES
    max_concurrent_queries: Annotated[int, Field(ge=1, le=64)] = defaults.MAX_CONCURRENT
    max_age: PositiveDuration = 90.0
    retention: PositiveDuration = defaults.RETENTION
    tz: TimeZone = "UTC"
    holidays: HolidaysSchema = HolidaysSchema()


class ModelSchema(Schema):
    """One model, applied to all series of its queries."""

    class_: Annotated[Kind, Field(alias="class")] = "seasonal"
    queries: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    schedulers: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    detection_direction: Direction = "both"
    min_dev_from_expected: Pair = (0.0, 0.0)
    min_rel_dev_from_expected: Pair = (0.0, 0.0)
    provide_series: Annotated[tuple[SeriesName, ...], Field(min_length=1)] | None = None
    bands: Bands | None = None


class SchedulerSchema(Schema):
    """When to learn and when to score."""

    class_: Annotated[Literal["periodic"], Field(alias="class")] = "periodic"
    fit_every: PositiveDuration = defaults.FIT_EVERY
    fit_window: PositiveDuration = defaults.FIT_WINDOW
    infer_every: StepDuration = defaults.INFER_EVERY


class SpoolSchema(Schema):
    """What waits for the server, and where."""

    folder: Path | None = None
    max_bytes: Annotated[Size, Field(ge=1 << 20)] | None = None
    max_age: PositiveDuration = 86400.0


class WriterSchema(ConnectionSchema):
    """Where the scores go; the reader's server unless told otherwise."""

    mode: Literal["remote_write", "scrape"] = "remote_write"
    format: FormatName | None = None
    metric_format: Annotated[dict[str, str], AfterValidator(_format)] | None = None
    provide_series: Annotated[tuple[SeriesName, ...], Field(min_length=1)] = PROVIDE_SERIES
    bands: Bands = "always"
    max_bands: Annotated[int, Field(ge=0)] = 100
    timeout: PositiveDuration = 10.0
    max_samples_per_request: Annotated[int, Field(ge=1)] = DEFAULT_LIMITS.samples
    max_bytes_per_request: Annotated[Size, Field(ge=1024)] = DEFAULT_LIMITS.nbytes
    spool: SpoolSchema = SpoolSchema()

    @model_validator(mode="after")
    def _one_format(self) -> "WriterSchema":
        if self.format == "template" and self.metric_format is None:
            raise ValueError("format: template needs a metric_format")
        if self.format not in {None, "template"} and self.metric_format is not None:
            raise ValueError(f"metric_format is for format: template, not {self.format}")
        return self


class PresetBudgetSchema(Schema):
    """What presets may cost."""

    max_series: Annotated[int, Field(ge=1)] = defaults.PRESET_MAX_SERIES
    max_query_seconds: Annotated[float, Field(gt=0, le=60)] = defaults.PRESET_MAX_QUERY_SECONDS


class ShardSchema(Schema):
    """Which part of the series is watched."""

    index: Annotated[int, Field(ge=0)] = 0
    count: Annotated[int, Field(ge=1, le=1000)] = 1
    replicas: Annotated[int, Field(ge=1, le=10)] = 1

    @model_validator(mode="after")
    def _there_is_one(self) -> "ShardSchema":
        try:
            self.resolved()
        except UsageError as error:
            raise ValueError(str(error)) from None
        return self

    def resolved(self) -> Shard:
        """Return what readers ask."""
        return numbered(self.index, self.count, self.replicas)


class DetectorSchema(Schema):
    """The whole file."""

    reader: ReaderSchema = Field(default_factory=ReaderSchema)
    presets: Annotated[tuple[PresetName, ...], BeforeValidator(_presets)] = PRESET_NAMES
    preset_budget: PresetBudgetSchema = PresetBudgetSchema()
    models: Annotated[dict[Alias, ModelSchema], Field(min_length=1)] = Field(
        default_factory=lambda: {"default": ModelSchema()}
    )
    schedulers: Annotated[dict[Alias, SchedulerSchema], Field(min_length=1)] = Field(
        default_factory=lambda: {"default": SchedulerSchema()}
    )
    writer: WriterSchema = WriterSchema()
    shard: ShardSchema = ShardSchema()
    executor: Literal["local", "dask"] = "local"
    dask_address: Annotated[str, Field(pattern=r"^(tcp|tls)://[^\s/@]+:\d+$")] | None = None

    @model_validator(mode="after")
    def _dask_has_an_address(self) -> "DetectorSchema":
        if (self.executor == "dask") != (self.dask_address is not None):
            raise ValueError("executor: dask and dask_address belong together, such as tcp://127.0.0.1:8786")
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _everything_at_once(
        cls,
        data: Any,
        handler: ModelWrapValidatorHandler["DetectorSchema"],
    ) -> "DetectorSchema":
        """Report what does not fit together beside what is malformed, not after it is mended."""
        findings = find(data) if isinstance(data, dict) else []
        try:
            valid = handler(data)
        except ValidationError as error:
            known = {tuple(detail["loc"]) for detail in error.errors()}
            findings = [finding for finding in findings if finding.loc not in known]
            raise _combined(cls.__name__, error, findings) from None
        if findings:
            raise _combined(cls.__name__, None, findings)
        return valid


def _combined(title: str, error: ValidationError | None, findings: list[Finding]) -> ValidationError:
    details = [
        InitErrorDetails(
            type=PydanticCustomError(
                detail["type"], detail["msg"].replace("{", "{{").replace("}", "}}"), detail.get("ctx")
            ),
            loc=detail["loc"],
            input=detail["input"],
        )
        for detail in (error.errors(include_url=False) if error else [])
    ]
    details += [
        InitErrorDetails(
            type=PydanticCustomError("cross_check", "{message}", {"message": f.message}),
            loc=f.loc,
            input=f.found,
        )
        for f in findings
    ]
    return ValidationError.from_exception_data(title, details)
