"""Reader: seconds and megabytes that the first fill of 1,000 series takes, beside prometheus-api-client.

A real Prometheus on the same machine holds a week of five minutes of a counter. Every round reads it in a
process of its own, ours and the peer's one after the other, because the machine is shared; medians over
the rounds are reported. Memory is the highest resident set above that before the call.
"""

import datetime as dt
import multiprocessing
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import click
import numpy as np
import requests
from prometheus_api_client import PrometheusConnect

from benchmarks import report
from specter_core.config import parse_config
from specter_detector.config import resolve
from specter_detector.http import open_session
from specter_detector.reader import PrometheusReader
from specter_detector.schema import DetectorSchema
from tests.servers.prometheus import running_prometheus

SERIES, POINTS, STEP = 1000, 2016, 300
RAW = "bench_requests_total"
EXPRESSION = f"rate({RAW}[15m])"
PEER = "prometheus-api-client custom_query_range"
MB = 1000**2

Fill = Callable[[str, str, int, int], int]


def report_first_fill(rounds: int) -> None:
    """Fill from a raw selector and from a rate, ours and the peer's."""
    end = int(time.time()) // STEP * STEP - 7200
    with (
        tempfile.TemporaryDirectory() as folder,
        running_prometheus(Path(folder) / "prometheus", history=history(end)) as server,
    ):
        start = end - (POINTS - 1) * STEP
        measured: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for expr in (RAW, EXPRESSION):
                for name, fill in (("ours", ours), ("peer", peer)):
                    figures = _apart(fill, server.url, expr, start, end)
                    measured.setdefault((name, expr), []).append(figures)
    seconds = {key: statistics.median(figure for figure, _ in runs) for key, runs in measured.items()}
    peaks = {key: statistics.median(figure for _, figure in runs) for key, runs in measured.items()}
    for name, expr in (("first_fill_1k_s", RAW), ("first_fill_1k_expr_s", EXPRESSION)):
        report(name, seconds["ours", expr], "s", baseline=seconds["peer", expr], baseline_name=PEER)
    highest = {who: max(peaks[who, RAW], peaks[who, EXPRESSION]) for who in ("ours", "peer")}
    report("first_fill_1k_peak_mb", highest["ours"], "MB", baseline=highest["peer"], baseline_name=PEER)


def history(end: int) -> Iterator[str]:
    """Yield `SERIES` counters of `POINTS` samples, the last at `end` (Unix s), as OpenMetrics text."""
    rng = np.random.default_rng(1)
    times = range(end - (POINTS - 1) * STEP, end + 1, STEP)
    yield f"# TYPE {RAW.removesuffix('_total')} counter"
    for number in range(SERIES):
        values = np.cumsum(rng.gamma(2.0, 500.0, POINTS)).tolist()
        labels = f'instance="10.0.{number // 250}.{number % 250}:8080",job="shop",http_route="/r{number}"'
        for at, value in zip(times, values, strict=True):
            yield f"{RAW}{{{labels}}} {value:.6f} {at}"


def ours(url: str, expr: str, start: int, end: int) -> int:
    """Fill a history; return the number of its values."""
    text = f"reader: {{datasource_url: '{url}', timeout: 60s, queries: {{q: {{expr: '{expr}', step: 5m}}}}}}"
    config = resolve(parse_config(text, DetectorSchema, file="benchmark"))
    with closing(PrometheusReader(config.reader, open_session(config.reader.connection))) as reader:
        return int(np.isfinite(reader.history(config.reader.queries["q"], start, end).values).sum())


def peer(url: str, expr: str, start: int, end: int) -> int:
    """Read the same as the library does it alone; return the number of values."""
    with requests.Session() as session:
        session.trust_env = False
        client = PrometheusConnect(url=url, session=session)
        first, last = (dt.datetime.fromtimestamp(at, tz=dt.UTC) for at in (start, end))
        return sum(len(row["values"]) for row in client.custom_query_range(expr, first, last, str(STEP)))


def _apart(fill: Fill, url: str, expr: str, start: int, end: int) -> tuple[float, float]:
    """Return the seconds and the megabytes of one fill in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (fill, url, expr, start, end))


def _measured(fill: Fill, url: str, expr: str, start: int, end: int) -> tuple[float, float]:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the highest is the present one again
    before = _resident("VmRSS")
    started = time.perf_counter()
    values = fill(url, expr, start, end)
    seconds = time.perf_counter() - started
    if values < SERIES * (POINTS - 2):
        raise click.ClickException(f"{expr}: only {values} values")
    return seconds, (_resident("VmHWM") - before) / MB


def _resident(name: str) -> float:
    """Return a figure of /proc/self/status in bytes."""
    found = re.search(rf"^{name}:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"), re.M)
    return float(found[1]) * 1024 if found else float("nan")
