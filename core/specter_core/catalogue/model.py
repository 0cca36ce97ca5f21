"""The catalogue as the rest of the product sees it: frozen, checked, without defaults left open."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from specter_core.metrics import FAILED


class Unit(StrEnum):
    """What an event may carry beside having happened; the value is its key in the catalogue."""

    MONEY = "money"
    SECONDS = "seconds"
    TOKENS = "tokens"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Measure:
    """One quantity that an event carries.

    `buckets` are the upper bounds of its histogram, in `unit`; `currencies` is
    empty for every unit but money.
    """

    unit: Unit
    buckets: tuple[float, ...]
    currencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Objective:
    """What is promised of an event; None where nothing is.

    `success_ratio` is the least share of `success` among `success` and `failed`;
    `min_per_hour` the least number of successes an hour.
    """

    success_ratio: float | None
    min_per_hour: float | None


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of business event; `critical` is one whose failing wakes somebody at night."""

    name: str
    description: str
    outcomes: tuple[str, ...]
    reasons: tuple[str, ...]
    measures: Mapping[Unit, Measure]
    feature: bool
    critical: bool
    objective: Objective | None

    @property
    def series(self) -> tuple[tuple[str, str], ...]:
        """Every (outcome, reason) that is expected; the reason is empty where none is given."""
        plain = tuple((outcome, "") for outcome in self.outcomes)
        return plain + tuple((FAILED, reason) for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Funnel:
    """Events in the order in which users come through them; each counts when it succeeds."""

    name: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """Who comes back: users whose `event` succeeded on one day, looked for `days` days later."""

    event: str
    days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The whole catalogue; events, features and funnels in the order of the file."""

    time_zone: str
    session_idle: float
    events: Mapping[str, Event]
    features: tuple[str, ...]
    funnels: tuple[Funnel, ...]
    retention: Retention | None
