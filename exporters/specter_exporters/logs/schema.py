"""What the configuration file of the log exporter may say."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from specter_core.config import Schema
from specter_core.durations import parse_seconds
from specter_core.metrics import DURATION_BUCKETS
from specter_exporters.logs.patterns import problem

FormatName = Literal[
    "json", "nginx_json", "access", "text", "regex", "postgres", "postgres_csv", "postgres_json", "mysql_slow"
]
Unit = Literal["s", "ms", "us", "ns"]
RESERVED_LABELS = frozenset({"job", "instance", "le", "quantile", "service", "log"})


def _pattern(text: str) -> str:
    wrong = problem(text)
    if wrong:
        raise ValueError(wrong)
    return text


def _on(value: object) -> object:
    """`true` switches something on as it is, `false` off."""
    if value is True:
        return {}
    return None if value is False else value


def _label_name(name: str) -> str:
    if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9_]*", name) or "__" in name:
        raise ValueError("is not a label name")
    if name in RESERVED_LABELS:
        raise ValueError(f"is not free: {', '.join(sorted(RESERVED_LABELS))} are set by others")
    return name


def _metric_name(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or "__" in name:
        raise ValueError("expected lower-case letters, digits and single underscores")
    if name.startswith("specter_"):
        raise ValueError("names that begin with specter_ are taken")
    if name.endswith(("_bucket", "_count", "_sum", "_created", "_info")):
        raise ValueError("ends like a series that Prometheus makes of a metric itself")
    return name


def _route(text: str) -> str:
    if not text.startswith("/") or not text.isprintable() or "?" in text:
        raise ValueError("expected a path such as /products/{id}, without a query")
    if any(("{" in part or "}" in part) and not _PLACE.fullmatch(part) for part in text.split("/")):
        raise ValueError("{name} stands for one whole part of the path, {name...} for all that follow")
    if any(part.endswith("...}") for part in text.split("/")[:-1]):
        raise ValueError("{name...} must be the last part")
    return text


_PLACE = re.compile(r"\{\w+(?:\.\.\.)?\}")

Pattern = Annotated[str, AfterValidator(_pattern)]
Seconds = Annotated[float, BeforeValidator(parse_seconds)]
FieldPath = Annotated[str, Field(min_length=1, max_length=200)]
LabelName = Annotated[str, AfterValidator(_label_name)]
MetricName = Annotated[str, Field(max_length=100), AfterValidator(_metric_name)]
Route = Annotated[str, Field(max_length=200), AfterValidator(_route)]
LogName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_\-]*$", max_length=64)]


class RangeSchema(Schema):
    """A number between two others, or a text that a pattern is found in."""

    min: float | None = None
    max: float | None = None
    matches: Pattern | None = None

    @model_validator(mode="after")
    def _something(self) -> "RangeSchema":
        if (self.matches is None) == (self.min is None and self.max is None):
            raise ValueError("expected min, max or both, or matches alone")
        return self


Scalar = str | int | float | bool
Wanted = Scalar | list[Scalar] | RangeSchema
When = dict[FieldPath, Wanted]


class LabelSchema(Schema):
    """A label out of a field.

    `values` are the only ones that are shown, everything else is `other`; without it the first `max_values`.
    """

    field: FieldPath
    values: list[str] | None = None
    max_values: Annotated[int, Field(ge=1, le=1000)] = 50


def _label(value: object) -> object:
    return {"field": value} if isinstance(value, str) else value


Labels = dict[LabelName, Annotated[LabelSchema, BeforeValidator(_label)]]


class CounterSchema(Schema):
    """A counter: of entries, or of what a field holds."""

    name: MetricName
    help: Annotated[str, Field(max_length=300)] = ""
    value: FieldPath | None = None
    labels: Labels = Field(default_factory=dict)
    when: When = Field(default_factory=dict)

    @model_validator(mode="after")
    def _total(self) -> "CounterSchema":
        if not self.name.endswith("_total"):
            raise ValueError("the name of a counter ends in _total")
        return self


class HistogramSchema(Schema):
    """A histogram of what a field holds; `unit` is that of the field, the metric is in seconds."""

    name: MetricName
    help: Annotated[str, Field(max_length=300)] = ""
    value: FieldPath
    unit: Unit | None = None
    buckets: Annotated[list[float], Field(min_length=1, max_length=50)] = Field(
        default_factory=lambda: [*DURATION_BUCKETS]
    )
    labels: Labels = Field(default_factory=dict)
    when: When = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> "HistogramSchema":
        if self.name.endswith("_total"):
            raise ValueError("_total ends the name of a counter")
        if self.unit is not None and not self.name.endswith("_seconds"):
            raise ValueError("with a unit, the metric is in seconds: its name must end in _seconds")
        if self.buckets != sorted(set(self.buckets)):
            raise ValueError("buckets must grow")
        return self


class RequestsSchema(Schema):
    """Rate, errors, duration by route, out of access lines; fields that are not named are looked for."""

    method: FieldPath | None = None
    path: FieldPath | None = None
    status: FieldPath | None = None
    duration: FieldPath | None = None
    duration_unit: Unit = "s"
    bytes: FieldPath | None = None
    routes: list[Route] = Field(default_factory=list)
    max_routes: Annotated[int, Field(ge=1, le=2000)] = 200
    as_server: bool = False
    when: When = Field(default_factory=dict)


class SigninSchema(Schema):
    """Attempts to sign in: which entries are one, and how they ended."""

    when: When
    failed: When
    source: FieldPath | None = None
    account: FieldPath | None = None
    user_agent: FieldPath | None = None


class CdnSchema(Schema):
    """What a cache in front of the service did."""

    cache_status: FieldPath | None = None
    bytes: FieldPath | None = None
    when: When = Field(default_factory=dict)


class GatewaySchema(Schema):
    """What went through a gateway."""

    upstream: FieldPath | None = None
    status: FieldPath | None = None
    duration: FieldPath | None = None
    duration_unit: Unit = "s"
    request_bytes: FieldPath | None = None
    response_bytes: FieldPath | None = None
    max_upstreams: Annotated[int, Field(ge=1, le=1000)] = 50
    when: When = Field(default_factory=dict)


class VitalsSchema(Schema):
    """Core web vitals that a service writes to its log: one entry a measurement."""

    metric: FieldPath = "name"
    value: FieldPath = "value"
    page: FieldPath = "page"
    device: FieldPath = "device"
    routes: list[Route] = Field(default_factory=list)
    max_pages: Annotated[int, Field(ge=1, le=500)] = 50
    when: When = Field(default_factory=dict)


class SlowQueriesSchema(Schema):
    """Queries in the log of a database."""

    duration: FieldPath | None = None
    duration_unit: Unit | None = None
    statement: FieldPath | None = None
    rows_examined: FieldPath | None = None


Switched = BeforeValidator(_on)


class LogSchema(Schema):
    """One log: where it is, what its lines look like, what they are counted as."""

    name: LogName
    files: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    rotated: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)
    stdin: bool = False
    start: Literal["end", "beginning"] = "end"
    format: FormatName
    wrapper: Literal["docker", "cri"] | None = None
    pattern: Pattern | None = None
    extra: Annotated[list[FieldPath], Field(max_length=20)] = Field(default_factory=list)
    multiline_start: Pattern | None = None
    level: FieldPath | None = None
    message: FieldPath | None = None
    time: FieldPath | None = None
    requests: Annotated[RequestsSchema | None, Switched] = None
    counters: list[CounterSchema] = Field(default_factory=list)
    histograms: list[HistogramSchema] = Field(default_factory=list)
    templates: bool = True
    signin: list[SigninSchema] = Field(default_factory=list)
    cdn: Annotated[CdnSchema | None, Switched] = None
    gateway: Annotated[GatewaySchema | None, Switched] = None
    web_vitals: Annotated[VitalsSchema | None, Switched] = None
    slow_queries: Annotated[SlowQueriesSchema | None, Switched] = None

    @model_validator(mode="after")
    def _one_source(self) -> "LogSchema":
        if bool(self.files) == self.stdin:
            raise ValueError("expected either files, a list of paths or globs, or stdin: true")
        return self

    @model_validator(mode="after")
    def _format(self) -> "LogSchema":
        if (self.format == "regex") != (self.pattern is not None):
            raise ValueError("pattern belongs to format: regex")
        if self.pattern is not None and not re.compile(self.pattern).groupindex:
            raise ValueError("pattern has no named group (?P<name>…): its groups are the fields")
        if self.extra and self.format != "access":
            raise ValueError("extra belongs to format: access, it names what stands behind the user agent")
        if self.multiline_start is not None and self.format not in {"text", "regex"}:
            raise ValueError("multiline_start belongs to format: text or regex")
        return self


class TemplatesSchema(Schema):
    """Forms of error messages: how many are remembered and shown."""

    max: Annotated[int, Field(ge=10, le=20_000)] = 1000
    exposed: Annotated[int, Field(ge=0, le=1000)] = 100
    warm_up: Seconds = 600.0
    mask_addresses: bool = False


class LimitsSchema(Schema):
    """What the exporter may take."""

    max_line_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 256 * 1024
    max_files: Annotated[int, Field(ge=1, le=10_000)] = 500
    max_open_files: Annotated[int, Field(ge=1, le=10_000)] = 100
    max_cpu_share: Annotated[float, Field(gt=0, le=1)] = 1.0


class LogsSchema(Schema):
    """The configuration file."""

    logs: Annotated[list[LogSchema], Field(min_length=1, max_length=100)]
    templates: TemplatesSchema = TemplatesSchema()
    limits: LimitsSchema = LimitsSchema()
    poll_interval: Annotated[Seconds, Field(ge=0.05, le=60)] = 0.5
    save_interval: Annotated[Seconds, Field(ge=0.1, le=3600)] = 10.0
    join_timeout: Annotated[Seconds, Field(ge=0.1, le=60)] = 1.0
    rotated_timeout: Annotated[Seconds, Field(ge=0, le=3600)] = 30.0

    @model_validator(mode="after")
    def _names(self) -> "LogsSchema":
        names = [log.name for log in self.logs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two logs are called {', '.join(twice)}")
        if sum(log.stdin for log in self.logs) > 1:
            raise ValueError("only one log can come from stdin")
        return self

    @model_validator(mode="after")
    def _same_metrics(self) -> "LogsSchema":
        known: dict[str, object] = {}
        for log in self.logs:
            own: list[CounterSchema | HistogramSchema] = [*log.counters, *log.histograms]
            for each in own:
                buckets = each.buckets if isinstance(each, HistogramSchema) else None
                shape = (sorted(each.labels), buckets)
                if known.setdefault(each.name, shape) != shape:
                    raise ValueError(f"{each.name} has other labels or buckets in log {log.name}")
            names = [each.name for each in own]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"log {log.name} has two metrics called {', '.join(twice)}")
        return self
