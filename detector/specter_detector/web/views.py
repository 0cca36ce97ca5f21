"""What the web pages need of a running detector, as values; see `live` for how they come about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from specter_core.errors import SpecterError
from specter_detector.models.fit import FitOptions
from specter_detector.series import Labels
from specter_detector.verdict import Verdict
from specter_detector.web.stretch import Stretch

State = Literal["anomalous", "normal", "warming", "absent", "invalid"]
STATES: tuple[State, ...] = ("anomalous", "normal", "warming", "absent", "invalid")
Order = Literal["score", "name"]


class UnknownSeriesError(SpecterError):
    """There is no such query, or it has no such series."""


class NoAnswerError(SpecterError):
    """The data source does not give the history that is asked for."""


class TooLongError(SpecterError):
    """The stretch has more steps than one request may replay."""


@dataclass(frozen=True, slots=True)
class QueryView:
    """One query as it is watched.

    Attributes:
        alias, expr, tz: as configured.
        step: seconds between the values of the history.
        unit: of the values, "" where it is not known.
        models: the aliases of the models that watch it.
        last_tick: Unix time (s) of the last tick; None while there is none, or no answer to it.
        states: number of series in each state; all are there.
        over_limit: series beyond the limit, not watched.
    """

    alias: str
    expr: str
    tz: str
    step: float
    unit: str
    models: tuple[str, ...]
    last_tick: float | None
    states: Mapping[State, int]
    over_limit: int


@dataclass(frozen=True, slots=True)
class Row:
    """One series at the last tick."""

    query: str
    model: str
    state: State
    verdict: Verdict
    last_tick: float


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the rows that were asked for, and how many there are in all."""

    rows: tuple[Row, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened beside a series: a deployment."""

    at: float
    text: str


class Watch(Protocol):
    """A running detector, to look at. Thread-safe; changes nothing."""

    def now(self) -> float:
        """Return Unix time (s)."""

    def aliases(self) -> Sequence[str]:
        """Return the alias of every query; costs next to nothing."""

    def queries(self) -> Sequence[QueryView]:
        """Return every query."""

    def query(self, alias: str) -> QueryView:
        """Return one query.

        Raises:
            UnknownSeriesError: there is none of this name.
        """

    def series(
        self, alias: str | None, *, text: str = "", order: Order = "score", offset: int = 0, limit: int = 50
    ) -> Page:
        """Return series of the query `alias`, of all for None.

        Args:
            alias: of the query.
            text: words that the query's name and the labels must contain; case is ignored.
            order: by score, the highest first and the unknown last, or by query and labels.
            offset: rows to leave out.
            limit: rows to return.

        Raises:
            UnknownSeriesError: there is no such query.
        """

    def one(self, alias: str, labels: Labels, model: str | None = None) -> Row | None:
        """Return a series at the last tick; None where it is not watched now.

        Raises:
            UnknownSeriesError: there is no such query, or it has no such model.
        """

    def meant(self, alias: str, labels: Labels) -> Labels:
        """Return the labels of the series that is meant by `labels`.

        The outputs of a series lack its `__name__`: labels copied from one mean the series that is watched,
        or was within the retention, and has these otherwise. `labels` as they are where there is none, or
        several.

        Raises:
            UnknownSeriesError: there is no such query.
        """

    def expect(self, alias: str, labels: Labels, start: float, end: float) -> None:
        """Do nothing where the series is watched, or was there between `start` and `end` (Unix s).

        Raises:
            UnknownSeriesError: there is no such query, or no such series; names one near it.
            NoAnswerError: the data source has no answer.
        """

    def options(self, alias: str, model: str | None = None) -> FitOptions:
        """Return the settings in use.

        Raises:
            UnknownSeriesError: there is no such query, or it has no such model.
        """

    def replay(self, alias: str, labels: Labels, start: float, end: float, options: FitOptions) -> Stretch:
        """Return what `options` say of a series from `start` to `end` (Unix s).

        Raises:
            UnknownSeriesError: there is no such series in that time.
            NoAnswerError: the data source has no answer.
            TooLongError: `longest` is exceeded.
            worker.BusyError, worker.CostlyError: see there.
        """

    def longest(self, alias: str) -> float:
        """Return the longest stretch (s) of a query that one request may replay."""

    def events(self, alias: str, labels: Labels, start: float, end: float) -> Sequence[Event]:
        """Return the deployments beside a series; none where they are not known."""
