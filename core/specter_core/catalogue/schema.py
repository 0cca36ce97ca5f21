"""The catalogue as it is written: keys, defaults and limits of the file."""

from itertools import pairwise
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator

from specter_core.catalogue.model import Unit
from specter_core.config import Schema
from specter_core.metrics import DURATION_BUCKETS, FAILED, SUCCESS

MAX_EVENTS = 200
MAX_OUTCOMES = 10
MAX_REASONS = 50
MAX_FEATURES = 100
MAX_FUNNELS = 20
MAX_STEPS = 20
MAX_BUCKETS = 30
MAX_CURRENCIES = 20
MAX_SERIES = 20_000
OTHER = "other"
BUCKETS: dict[Unit, tuple[float, ...]] = {
    Unit.MONEY: (1.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0),
    Unit.SECONDS: (*DURATION_BUCKETS, 30.0, 60.0),
    Unit.TOKENS: (50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 25_000.0, 100_000.0),
    Unit.COUNT: (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0),
}

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=63)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"each only once: {', '.join(twice)}")
    return values


def _growing(values: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise(values)):
        raise ValueError("each bound must be greater than the one before")
    return values


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("is not a time zone that is known here, such as UTC or Europe/Vienna") from error
    return name


Buckets = Annotated[
    tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...],
    Field(min_length=1, max_length=MAX_BUCKETS),
    AfterValidator(_growing),
]


class MeasureSchema(Schema):
    """`units.<unit>` of an event."""

    buckets: Buckets | None = None
    currencies: Annotated[
        tuple[Currency, ...], Field(max_length=MAX_CURRENCIES), AfterValidator(_distinct)
    ] = ()


class ObjectiveSchema(Schema):
    """`objective` of an event."""

    success_ratio: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_per_hour: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.success_ratio is None and self.min_per_hour is None:
            raise ValueError("say success_ratio, min_per_hour or both")
        return self


class EventSchema(Schema):
    """One entry of `events`."""

    description: Annotated[str, Field(max_length=200)] = ""
    outcomes: Annotated[
        tuple[Name, ...], Field(min_length=1, max_length=MAX_OUTCOMES), AfterValidator(_distinct)
    ] = (SUCCESS, FAILED)
    reasons: Annotated[tuple[Name, ...], Field(max_length=MAX_REASONS), AfterValidator(_distinct)] = ()
    units: dict[Unit, MeasureSchema | None] = Field(default_factory=dict)
    feature: bool = False
    critical: bool = False
    objective: ObjectiveSchema | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if SUCCESS not in self.outcomes:
            raise ValueError(f"outcomes must have {SUCCESS}: funnels, retention and objectives count it")
        ratio = self.objective is not None and self.objective.success_ratio is not None
        if (self.reasons or ratio) and FAILED not in self.outcomes:
            raise ValueError(f"reasons and success_ratio need the outcome {FAILED}")
        if self.critical and self.objective is None:
            raise ValueError("critical needs an objective, for what is missed wakes somebody")
        for unit, measure in self.units.items():
            currencies = measure.currencies if measure else ()
            if unit is Unit.MONEY and not currencies:
                raise ValueError("units.money needs currencies, for example [EUR]")
            if unit is not Unit.MONEY and currencies:
                raise ValueError(f"units.{unit} has no currencies")
        return self


class RetentionSchema(Schema):
    """`retention`."""

    event: Name
    days: Annotated[
        tuple[Annotated[int, Field(ge=1, le=90)], ...], Field(min_length=1, max_length=5)
    ] = (1, 7, 30)  # fmt: skip

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if list(self.days) != sorted(set(self.days)):
            raise ValueError("days must grow, each only once")
        return self


class CatalogueSchema(Schema):
    """The file."""

    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    session_idle_minutes: Annotated[float, Field(ge=1, le=1440)] = 30.0
    events: dict[Name, EventSchema | None] = Field(min_length=1, max_length=MAX_EVENTS)
    features: Annotated[tuple[Name, ...], Field(max_length=MAX_FEATURES), AfterValidator(_distinct)] = ()
    funnels: dict[
        Name,
        Annotated[tuple[Name, ...], Field(min_length=2, max_length=MAX_STEPS), AfterValidator(_distinct)],
    ] = Field(default_factory=dict, max_length=MAX_FUNNELS)
    retention: RetentionSchema | None = None
