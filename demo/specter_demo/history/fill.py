"""Fill a running Prometheus up to the moment the live traffic began.

Two things the import of blocks does not give: the time since the demo last ran,
and the last minutes of the raw counters, without which every one-minute rate
would start at zero and look like a fault.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import requests

from specter_core.errors import SpecterError
from specter_core.metrics import (
    HTTP_SERVER_REQUEST_DURATION,
    METHOD,
    ROUTE,
    SERVICE,
    SERVICE_REQUEST_RATE,
    SERVICE_VERSION,
    STATUS,
    TARGET_INFO,
    Metric,
)
from specter_demo.history.calibration import BOUNDS, Calibration
from specter_demo.history.simulate import Array, RateOf, Series, counters, draw_requests, time_grid
from specter_demo.history.views import WATCHED, bounds, draw_views
from specter_demo.story.prometheus import PrometheusClient
from specter_detector.packing import request
from specter_detector.protobuf import Record, record_of
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.series import labels_of

REQUESTS = HTTP_SERVER_REQUEST_DURATION
TAIL_SECONDS = 360.0
LOOKBACK = 300.0
SCRAPE_SECONDS = 5.0
BATCH = 5000
WRITE_TIMEOUT = 30.0
MILLISECOND = 0.001  # the resolution of Prometheus' time


def last_recorded(client: PrometheusClient, service: str, now: float, within: float) -> float | None:
    """Return when the request rate of `service` was last recorded (epoch s), None if not `within` seconds."""
    series = f'{SERVICE_REQUEST_RATE}{{{SERVICE}="{service}"}}'
    # Windows as long as the steps miss nothing, and unlike a lookup they see past the marker that ends
    # a series: the shop is stopped before Prometheus, which then says that the rate is gone.
    recorded = f"count_over_time({series}[{LOOKBACK:.0f}s])"
    start = now - LOOKBACK * math.ceil(within / LOOKBACK)
    seen = client.range(recorded, start, now, step=LOOKBACK)
    if not seen:
        return None
    raw = client.samples(series, at=seen[-1][0], seconds=LOOKBACK)
    return raw[-1][0] if raw else None


def last_scraped(
    client: PrometheusClient, target: Mapping[str, str], before: float, metric: Metric = REQUESTS
) -> float | None:
    """Return when the counters of `target` last had a sample (epoch s), None if not in the tail's minutes."""
    labels = ",".join(f'{name}="{value}"' for name, value in target.items())
    times = f"timestamp({metric.count}{{{labels}}})"
    found = client.query(f"max(max_over_time({times}[{TAIL_SECONDS:.0f}s:1s] @ {before:.3f}))")
    return found[0].value if found else None


def raw_tail(
    calibration: Calibration,
    rate_of: RateOf,
    until: float,
    target: Mapping[str, str],
    random: np.random.Generator,
    after: float | None = None,
) -> tuple[Array, list[Series]]:
    """Return (times, series): the shop's request histogram as scraped in the minutes before `until`.

    The last scrape is at `until` itself and finds zeros: the live counters start there, as after a
    restart, which rate() takes in its stride. So does the tail, at its own beginning: it must not be
    mixed with samples of an earlier run, so it begins after them (`after`, epoch s).
    """
    times = _tail_times(until, after)
    drawn = draw_requests(calibration, rate_of, times, SCRAPE_SECONDS, random)
    series = []
    for outcome, cumulative in counters(drawn, calibration).items():
        labels = {**target, METHOD: outcome.method, ROUTE: outcome.route, STATUS: outcome.status}
        series += _histogram(REQUESTS, BOUNDS, labels, _ended(cumulative))
    return np.append(times, until), series


def vitals_tail(
    calibration: Calibration,
    rate_of: RateOf,
    until: float,
    target: Mapping[str, str],
    random: np.random.Generator,
    after: float | None = None,
) -> tuple[Array, list[Series]]:
    """Return (times, series) as `raw_tail` does, of the vitals that the browser exporter counts."""
    times = _tail_times(until, after)
    series = []
    for views in calibration.views:
        for name, counts in draw_views(views, rate_of, times, SCRAPE_SECONDS, random).items():
            cumulative = np.cumsum(np.cumsum(counts, axis=0, dtype=np.float64), axis=1)
            metric = WATCHED[name]
            series += _histogram(metric, bounds(metric), {**target, **views.labels}, _ended(cumulative))
    return np.append(times, until), series


def _tail_times(until: float, after: float | None) -> Array:
    begin = until - TAIL_SECONDS if after is None else max(until - TAIL_SECONDS, after + MILLISECOND)
    return time_grid(begin, until, SCRAPE_SECONDS)


def _ended(cumulative: Array) -> Array:
    """Return counters with one more row: the zeros of the process that starts at the end."""
    return np.vstack([cumulative, np.zeros(cumulative.shape[1])])


def _histogram(metric: Metric, upper: Array, labels: Mapping[str, str], cumulative: Array) -> list[Series]:
    buckets = [
        Series(metric.bucket, {**labels, "le": _bound(bound)}, cumulative[:, index])
        for index, bound in enumerate(upper)
    ]
    return [*buckets, Series(metric.count, labels, cumulative[:, -1])]


def _bound(bound: float) -> str:
    return "+Inf" if np.isinf(bound) else str(float(bound))


def version_tail(times: Array, target: Mapping[str, str], version: str) -> Series:
    """Return the release that ran in the minutes before, so that the next one is seen as a change."""
    labels = {**target, "service_name": target[SERVICE], SERVICE_VERSION: version}
    return Series(TARGET_INFO.name, labels, np.ones(len(times)))


def write(url: str, times: Array, series: Sequence[Series]) -> int:
    """Remote-write `series` to the Prometheus at `url`; return the number of samples.

    Raises:
        SpecterError: a batch was not taken.
    """
    session = requests.Session()
    session.trust_env = False  # a proxy does not reach this machine's loopback address
    client = RemoteWriteClient(url, session)
    written = 0
    try:
        records = _records(times, series)
        while batch := list(islice(records, BATCH)):
            outcome = client.send(request(batch), WRITE_TIMEOUT)
            if outcome.kind != "ok":
                raise SpecterError(f"Prometheus at {url} does not take the history: {outcome.message}")
            written += len(batch)
    finally:
        client.close()
    return written


def _records(times: Array, series: Sequence[Series]) -> Iterator[Record]:
    """Yield one sample after the other, oldest first: the order in which Prometheus keeps them cheapest."""
    labels = [labels_of({"__name__": one.name, **one.labels}) for one in series]
    for row, timestamp in enumerate(times.tolist()):
        for one, names in zip(series, labels, strict=True):
            value = float(one.values[row])
            if not np.isnan(value):
                yield record_of(names, value, timestamp)
