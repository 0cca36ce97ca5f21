"""What the JSON API takes and gives; the OpenAPI document is made from these."""

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from specter_core.config import Schema
from specter_detector.models.arrays import Floats
from specter_detector.series import Labels, labels_of
from specter_detector.web.settings import Settings
from specter_detector.web.views import Order, State

LATEST = 253_402_300_799.0  # the end of 9999
MOST_LABELS = 64


Number = float | None
Side = Annotated[int, Field(ge=-1, le=1)]
Alias = Annotated[
    str, Field(min_length=1, max_length=64, description="A query's alias.", examples=["request_rate"])
]
Text = Annotated[str, Field(max_length=4096)]
LabelName = Annotated[str, Field(min_length=1, max_length=256)]
LabelsModel = Annotated[
    dict[LabelName, Text],
    Field(max_length=MOST_LABELS, description="All labels of a series.", examples=[{"service": "shop"}]),
]
Seconds = Annotated[
    float,
    Field(ge=0, le=LATEST, allow_inf_nan=False, description="Unix time in seconds.", examples=[1767225600]),
]
Whole = Annotated[int, Field(ge=0, le=1_000_000)]


class Answer(BaseModel):
    """Base of what the API gives."""

    model_config = ConfigDict(frozen=True)


class ProblemModel(Answer):
    """What was wrong, and what to do (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    action: str


class QueryModel(Answer):
    """A query and how its series are."""

    alias: str
    expr: str
    tz: str
    step_seconds: float
    unit: str
    models: tuple[str, ...]
    last_tick: Number
    last_tick_age_seconds: Number
    states: dict[State, int]
    over_limit: int


class QueriesModel(Answer):
    """All queries."""

    queries: tuple[QueryModel, ...]


class RowModel(Answer):
    """A series at the last tick; null is what is not known."""

    query: str
    model: str
    labels: dict[str, str]
    state: State
    value: Number
    score: Number
    direction: Side
    reason: str
    yhat: Number
    lower: Number
    upper: Number
    confidence: float
    last_tick: float


class SeriesModel(Answer):
    """Some of the series, and how many there are."""

    total: int
    offset: int
    series: tuple[RowModel, ...]


class ExplainModel(Answer):
    """One series at the last tick in words, with the settings in use."""

    query: str
    labels: dict[str, str]
    tone: Literal["alarm", "calm", "unknown"]
    headline: str
    advice: str
    series: RowModel | None
    settings: Settings


class AlarmModel(Answer):
    """Samples in a row that score above 1; the numbers are those of the worst."""

    start: float
    end: float
    worst: float
    score: float
    reason: str
    direction: Side
    value: Number
    expected: Number
    lower: Number
    upper: Number


class EventModel(Answer):
    """A deployment."""

    at: float
    text: str


class WindowModel(Answer):
    """A stretch that somebody marked."""

    id: str
    query: str
    labels: dict[str, str]
    start: float
    end: float
    kind: Literal["normal", "incident"]
    author: str
    created: float


class WindowsModel(Answer):
    """The windows that count, oldest first."""

    windows: tuple[WindowModel, ...]


class StretchModel(Answer):
    """A stretch of one series and what was said of it; columns of one length, null where nothing is known.

    The times are steps; one less than a step behind the one before is the running detector's last tick.
    """

    query: str
    labels: dict[str, str]
    unit: str
    tz: str
    utc_offset_seconds: float
    step_seconds: float
    settings: Settings
    times: list[float]
    observed: list[Number]
    expected: list[Number]
    lower: list[Number]
    upper: list[Number]
    score: list[Number]
    confidence: list[Number]
    trend: list[Number]
    seasonal: list[Number]
    remainder: list[Number]
    alarms: tuple[AlarmModel, ...]
    events: tuple[EventModel, ...]
    windows: tuple[WindowModel, ...]


class TriedModel(Answer):
    """The same stretch with other settings, and the configuration that makes them last."""

    stretch: StretchModel
    samples_in_alarm: int
    yaml: str


class StatusModel(Answer):
    """What was done."""

    status: str


# --- requests ---


class SeriesRequest(Schema):
    """Which series to list."""

    query: Alias | None = None
    text: Annotated[str, Field(max_length=200, description="Parts of the query's name and the labels.")] = ""
    order: Order = "score"
    offset: Whole = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class OneRequest(Schema):
    """Which series to look at; without `model` the first that watches it."""

    query: Alias
    labels: LabelsModel = Field(default_factory=dict)
    model: Alias | None = None

    @property
    def key(self) -> Labels:
        """The labels as the detector has them."""
        return labels_of(self.labels)


class HistoryRequest(OneRequest):
    """Which stretch of it; without `start` the last day before `end`, without `end` up to now."""

    start: Seconds | None = None
    end: Seconds | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "HistoryRequest":
        if self.start is not None and self.end is not None and not self.start < self.end:
            raise ValueError("start must be before end")
        return self


class TryRequest(HistoryRequest):
    """With which settings."""

    settings: Settings


class FeedbackRequest(OneRequest):
    """What is said of a stretch."""

    start: Seconds
    end: Seconds
    kind: Literal["normal", "incident"]

    @model_validator(mode="after")
    def _ordered(self) -> "FeedbackRequest":
        if not self.start < self.end:
            raise ValueError("start must be before end")
        return self


class WindowsRequest(Schema):
    """Which windows; all without `query`."""

    query: Alias | None = None


def number(value: float) -> Number:
    """Return None for what JSON has no number for."""
    return value if math.isfinite(value) else None


def numbers(values: Floats) -> list[Any]:
    """Return `values` (n,) to seven digits, None for NaN and infinite ones."""
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in values.tolist()]
