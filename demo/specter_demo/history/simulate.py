"""Simulate what Prometheus would have recorded: pure, arrays in and arrays out.

Requests of every step are drawn from the traffic's shape (Poisson) and spread
over outcomes and latency buckets (multinomial); the recorded series are then
computed from one-minute windows exactly as the recording rules compute them,
histogram_quantile's interpolation included
(https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specter_core.metrics import (
    ROUTE,
    ROUTE_DURATION,
    ROUTE_ERROR_RATIO,
    ROUTE_REQUEST_RATE,
    SERVICE,
    SERVICE_DURATION,
    SERVICE_ERROR_RATIO,
    SERVICE_REQUEST_RATE,
    WEB_VITALS_P75,
)
from specter_demo.history.calibration import BOUNDS, Calibration, Outcome
from specter_demo.history.views import QUANTILE, VIEW_WINDOW_SECONDS, WATCHED, Views, bounds, draw_views

WINDOW_SECONDS = 60
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}

Array = NDArray[np.float64]
RateOf = Callable[[str, Array], Array]


@dataclass(frozen=True, slots=True)
class Series:
    """One series: metric name, labels, and a value for each of the simulation's times (NaN: none)."""

    name: str
    labels: Mapping[str, str]
    values: Array


def time_grid(start: float, end: float, step: float) -> Array:
    """Return the multiples of `step` in [start, end), shape (n,)."""
    return step * np.arange(math.ceil(start / step), math.ceil(end / step), dtype=np.float64)


def draw_requests(
    calibration: Calibration, rate_of: RateOf, times: Array, step: float, random: np.random.Generator
) -> dict[str, NDArray[np.int32]]:
    """Return for each route the requests that ended in the step before each time, shape (n, outcomes, 15)."""
    drawn = {}
    for route in calibration.routes:
        expected = rate_of(route, times - step / 2) * step
        totals = random.poisson(expected)
        cells = calibration.probabilities[route]
        split = random.multinomial(totals, cells.ravel())
        drawn[route] = split.reshape(len(times), *cells.shape).astype(np.int32)
    return drawn


def recorded_series(
    calibration: Calibration,
    rate_of: RateOf,
    times: Array,
    *,
    step: float,
    service: str,
    random: np.random.Generator,
) -> list[Series]:
    """Return the recorded layer of `service` at `times` (multiples of `step` seconds)."""
    lead, extended = _with_lead(times, WINDOW_SECONDS, step)
    drawn = draw_requests(calibration, rate_of, extended, step, random)
    series = []
    total = np.zeros((len(times), len(BOUNDS)))
    for route, requests in drawn.items():
        window = rolling_sum(requests.sum(axis=1), lead)[lead:]
        total += window
        labels = {SERVICE: service, ROUTE: route}
        series += _level(ROUTE_REQUEST_RATE, ROUTE_ERROR_RATIO, ROUTE_DURATION, labels, window)
    service_labels = {SERVICE: service}
    series += _level(SERVICE_REQUEST_RATE, SERVICE_ERROR_RATIO, SERVICE_DURATION, service_labels, total)
    for views in calibration.views:
        series += _recorded_vitals(views, rate_of, times, step, service_labels, random)
    return series


def _with_lead(times: Array, window: float, step: float) -> tuple[int, Array]:
    """Return how many steps the windows of the first times need before them, and the times with those."""
    lead = int(window / step)
    first = times[0] if len(times) else 0.0
    return lead, np.concatenate([first + step * np.arange(-lead, 0), times])


def _recorded_vitals(
    views: Views,
    rate_of: RateOf,
    times: Array,
    step: float,
    service: Mapping[str, str],
    random: np.random.Generator,
) -> list[Series]:
    """Return the recorded quantile of each vital that is watched, of one page on one class of devices."""
    lead, extended = _with_lead(times, VIEW_WINDOW_SECONDS, step)
    drawn = draw_views(views, rate_of, extended, step, random)
    labels = {**service, **views.labels}
    return [
        Series(
            WEB_VITALS_P75[WATCHED[name]],
            labels,
            histogram_quantile(QUANTILE, rolling_sum(counts, lead)[lead:], bounds(WATCHED[name])),
        )
        for name, counts in drawn.items()
    ]


def _level(
    rate: str, error_ratio: str, duration: Mapping[str, str], labels: Mapping[str, str], window: Array
) -> list[Series]:
    rates = window.sum(axis=1) / WINDOW_SECONDS
    return [
        Series(rate, labels, rates),
        # The calibration holds no server errors, so the past has none either.
        Series(error_ratio, labels, np.zeros_like(rates)),
        *(Series(duration[q], labels, histogram_quantile(QUANTILES[q], window)) for q in duration),
    ]


def rolling_sum(counts: NDArray[np.integer[Any]], width: int) -> Array:
    """Return the sum of each row and the `width - 1` rows before it (fewer at the start), same shape."""
    sums = np.cumsum(counts, axis=0, dtype=np.float64)
    sums[width:] -= sums[:-width].copy()
    return sums


def histogram_quantile(quantile: float, counts: Array, bounds: Array = BOUNDS) -> Array:
    """Return the quantile of each row of bucket counts (shape (n, bounds)) as Prometheus interpolates it.

    A row without observations is NaN; a quantile in the +Inf bucket is the
    highest finite bound.
    """
    cumulative = np.cumsum(counts, axis=1)
    totals = cumulative[:, -1]
    rank = quantile * totals
    bucket = np.argmax(cumulative >= rank[:, None], axis=1)
    rows = np.arange(len(counts))
    lower = np.concatenate([[0.0], bounds[:-1]])[bucket]
    upper = np.concatenate([bounds[:-1], [bounds[-2]]])[bucket]
    before = np.where(bucket > 0, cumulative[rows, np.maximum(bucket - 1, 0)], 0.0)
    inside = counts[rows, bucket]
    with np.errstate(invalid="ignore", divide="ignore"):
        value = lower + (upper - lower) * (rank - before) / inside
    value = np.where(bucket == len(bounds) - 1, bounds[-2], value)
    return np.where(totals > 0, value, np.nan)


def counters(drawn: Mapping[str, NDArray[np.int32]], calibration: Calibration) -> dict[Outcome, Array]:
    """Return the cumulative histogram counters behind `drawn`: by outcome, shape (n, 15), `le` ascending."""
    result = {}
    for route, requests in drawn.items():
        over_time = np.cumsum(requests, axis=0, dtype=np.float64)
        for index, outcome in enumerate(calibration.outcomes[route]):
            result[outcome] = np.cumsum(over_time[:, index, :], axis=1)
    return result
