"""Which queries of the presets are worth asking: their metrics exist, and their cost fits the budget."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from specter_detector.config import DetectorConfig, Model, PresetBudget, Query
from specter_detector.datasource import DatasourceError, SlowError, UnreachableError
from specter_detector.presets.catalogue import PRESETS
from specter_detector.presets.model import PresetName, PresetQuery, Source
from specter_detector.prometheus_api import Cost

MOST_SLOW = 3
"""After so many queries that took too long, the rest is left for the next time: the server is busy."""


class Server(Protocol):
    """What has to be asked; see `prometheus_api.PrometheusApi`."""

    def existing(self, names: Collection[str], at: float) -> frozenset[str]:
        """Return those of the metrics `names` that exist at Unix time `at`."""

    def cost(self, expr: str, at: float, timeout: float) -> Cost:
        """Return how many series `expr` has at Unix time `at`, and what it takes to say so."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A query of a preset that is on, and its cost when it was measured."""

    preset: PresetName
    query: PresetQuery
    source: Source
    cost: Cost


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a query of a preset is on, and why; `missing` if its metrics do not exist."""

    preset: PresetName
    alias: str
    reason: str
    chosen: Chosen | None = None
    missing: bool = False

    def __str__(self) -> str:
        return f"preset {self.preset}: {self.alias} {'on' if self.chosen else 'off'}: {self.reason}"


def resolve_presets(
    names: Iterable[PresetName],
    server: Server,
    at: float,
    *,
    budget: PresetBudget,
    max_series_per_query: int,
    own: Mapping[str, Query],
    kept: Iterable[Chosen] = (),
) -> list[Decision]:
    """Decide on every query of the presets `names`, those of level `service` first.

    Args:
        names: of presets; every one is `presets: auto`.
        server: what is asked.
        at: Unix time (s).
        budget: what all may cost.
        max_series_per_query: a query with more series would be cut.
        own: the configuration's own queries by alias, which win.
        kept: what is on already. It stays so without being asked for: a query whose metrics
            vanished is the one whose silence must be seen. An own query of the same name replaces it.

    Raises:
        UnreachableError: the server does not answer; nothing has been decided.
    """
    queries = sorted(
        ((name, query) for name in dict.fromkeys(names) for query in PRESETS[name].queries),
        key=lambda pair: pair[1].level != "service",
    )
    stay = {chosen.query.alias: chosen for chosen in kept if chosen.query.alias not in own}
    needed = {metric for _, query in queries for source in query.sources for metric in source.needs}
    existing = server.existing(needed, at)
    judge = _Judge(server, at, budget, max_series_per_query, own, existing)
    # What vanished costs nothing now.
    judge.spent = sum(
        chosen.cost.series for chosen in stay.values() if existing.issuperset(chosen.source.needs)
    )
    return [
        Decision(name, query.alias, _told(stay[query.alias].cost), stay[query.alias])
        if query.alias in stay
        else judge.decide(name, query)
        for name, query in queries
    ]


class _Judge:
    """Decides on one query after the other, and adds up what they cost."""

    def __init__(
        self,
        server: Server,
        at: float,
        budget: PresetBudget,
        max_series: int,
        own: Mapping[str, Query],
        existing: frozenset[str],
    ) -> None:
        self._server = server
        self._at = at
        self._budget = budget
        self._max_series = max_series
        self._own = own
        self._existing = existing
        self._same = {_normal(query.expr): alias for alias, query in own.items()}
        self._slow = 0
        self.spent = 0

    def decide(self, name: PresetName, query: PresetQuery) -> Decision:
        """Return whether `query` is on, and add what it costs."""
        source = next((each for each in query.sources if self._existing.issuperset(each.needs)), None)
        if source is None:
            return Decision(name, query.alias, f"no metric {self._missing(query)}", missing=True)
        reason = self._watched_already(query, source)
        cost = reason or self._measured(source)
        if isinstance(cost, str):
            return Decision(name, query.alias, cost)
        self.spent += cost.series
        return Decision(name, query.alias, _told(cost), Chosen(name, query, source, cost))

    def _watched_already(self, query: PresetQuery, source: Source) -> str | None:
        if query.alias in self._own:
            return "the configuration has a query of this name"
        same = self._same.get(_normal(source.expr))
        return None if same is None else f"the configuration's query {same} asks the same"

    def _measured(self, source: Source) -> Cost | str:
        """Return what `source` costs, or why it is too much."""
        if self._slow >= MOST_SLOW:
            return "not asked, because the server is slow now"
        try:
            cost = self._server.cost(source.expr, self._at, self._budget.max_query_seconds)
        except UnreachableError:
            raise
        except SlowError:
            self._slow += 1
            return f"takes more than max_query_seconds ({self._budget.max_query_seconds:g})"
        except DatasourceError as error:
            return str(error)
        return self._too_much(cost) or cost

    def _missing(self, query: PresetQuery) -> str:
        """Return, for each source, the metrics that it lacks."""
        lacks = ([name for name in source.needs if name not in self._existing] for source in query.sources)
        return " or ".join(dict.fromkeys(", ".join(names) for names in lacks))

    def _too_much(self, cost: Cost) -> str | None:
        if cost.series == 0:
            return "has no series now"
        if cost.seconds > self._budget.max_query_seconds:
            return f"took {cost.seconds:.1f} s, max_query_seconds is {self._budget.max_query_seconds:g}"
        if cost.series > self._max_series:
            return f"has {cost.series} series, max_series_per_query is {self._max_series}"
        if self.spent + cost.series > self._budget.max_series:
            left = self._budget.max_series - self.spent
            return f"has {cost.series} series, and {left} are left of the budget's max_series"
        return None


def with_presets(config: DetectorConfig, chosen: Iterable[Chosen]) -> DetectorConfig:
    """Return `config` with queries and models for `chosen`, each under the alias of its query."""
    queries, models = dict(config.reader.queries), dict(config.models)
    for each in chosen:
        query = each.query
        queries[query.alias] = as_query(each, config)
        alias = query.alias
        while alias in config.models:
            alias = f"preset_{alias}"
        models[alias] = Model(
            alias=alias,
            kind="seasonal",
            queries=(query.alias,),
            schedulers=tuple(config.schedulers)[:1],
            policy=query.policy,
            provide_series=query.provide_series,
            bands=query.bands,
        )
    return replace(config, reader=replace(config.reader, queries=queries), models=models)


def as_query(chosen: Chosen, config: DetectorConfig) -> Query:
    """Return what the reader asks, with time zone, holidays and greatest age of the configuration."""
    query, inherited = chosen.query, config.reader.inherited
    return Query(
        alias=query.alias,
        expr=chosen.source.expr,
        step=query.step,
        data_range=query.data_range,
        tz=inherited.tz,
        offset=0.0,
        max_age=inherited.max_age,
        holidays=inherited.holidays,
        limit=chosen.source.limit,
        max_series=inherited.max_series,
    )


def _told(cost: Cost) -> str:
    return f"{cost.series} series, {cost.seconds:.2f} s"


def _normal(expr: str) -> str:
    return re.sub(r"\s+", "", expr)
