"""The business metrics as families, from values that no event changes any more."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics
from specter_core.catalogue import Catalogue, Unit
from specter_core.metrics import Metric
from specter_exporters.business.retention import Returned
from specter_exporters.business.tally import Distribution, Labels

HISTOGRAMS = {
    Unit.MONEY: metrics.BUSINESS_AMOUNT,
    Unit.SECONDS: metrics.BUSINESS_DURATION,
    Unit.TOKENS: metrics.BUSINESS_TOKENS,
    Unit.COUNT: metrics.BUSINESS_ITEMS,
}
HOUR = 3600.0

Values = Mapping[Labels, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """What is exposed, at one moment."""

    events: Values
    overflow: Values
    steps: Values
    features: Values
    quantities: list[tuple[Unit, list[tuple[Labels, Distribution]]]]
    active_users: Values
    feature_users: Values
    active_sessions: int
    session_durations: Distribution
    untracked: int
    returned: Mapping[int, Returned]
    rejected: Values


def families(reading: Reading, catalogue: Catalogue) -> Iterator[Family]:
    """Yield the families of `reading`, and the objectives of `catalogue`."""
    yield _counter(metrics.BUSINESS_EVENTS, reading.events)
    yield _counter(metrics.BUSINESS_REASON_OVERFLOW, reading.overflow)
    for unit, series in reading.quantities:
        yield _histogram(HISTOGRAMS[unit], series)
    yield _counter(metrics.BUSINESS_FUNNEL_STEPS, reading.steps)
    yield _counter(metrics.BUSINESS_FEATURE_USES, reading.features)
    yield _gauge(metrics.BUSINESS_FEATURE_USERS, reading.feature_users)
    yield _gauge(metrics.BUSINESS_ACTIVE_USERS, reading.active_users)
    yield _gauge(metrics.BUSINESS_ACTIVE_SESSIONS, {(): reading.active_sessions})
    yield _histogram(metrics.BUSINESS_SESSION_DURATION, [((), reading.session_durations)])
    yield _counter(metrics.BUSINESS_SESSIONS_UNTRACKED, {(): reading.untracked})
    shares: dict[Labels, float] = {(str(days),): one.ratio for days, one in reading.returned.items()}
    cohorts: dict[Labels, float] = {(str(days),): one.registered for days, one in reading.returned.items()}
    yield _gauge(metrics.BUSINESS_RETENTION, shares)
    yield _gauge(metrics.BUSINESS_RETENTION_USERS, cohorts)
    yield from objectives(catalogue)
    yield _counter(metrics.BUSINESS_REJECTED, reading.rejected)


def objectives(catalogue: Catalogue) -> Iterator[Family]:
    """Yield what the catalogue promises, so that one alert rule serves every catalogue."""
    ratios: dict[Labels, float] = {}
    rates: dict[Labels, float] = {}
    for event in catalogue.events.values():
        if event.objective is not None:
            if event.objective.success_ratio is not None:
                ratios[event.name,] = event.objective.success_ratio
            if event.objective.min_per_hour is not None:
                rates[event.name,] = event.objective.min_per_hour / HOUR
    yield _gauge(metrics.BUSINESS_OBJECTIVE_RATIO, ratios)
    yield _gauge(metrics.BUSINESS_OBJECTIVE_RATE, rates)


def _counter(metric: Metric, values: Values) -> Family:
    family = CounterMetricFamily(metric.name.removesuffix("_total"), metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _gauge(metric: Metric, values: Values) -> Family:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _histogram(metric: Metric, series: Iterable[tuple[Labels, Distribution]]) -> Family:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, one in series:
        family.add_metric(labels, one.cumulative(), one.sum)
    return family
