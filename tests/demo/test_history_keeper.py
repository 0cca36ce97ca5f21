"""The past on a real Prometheus: imported, continued without a seam, filled without a hole."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import requests

from specter_core.errors import SpecterError
from specter_core.metrics import (
    HTTP_SERVER_REQUEST_DURATION,
    METHOD,
    ROUTE,
    ROUTE_DURATION,
    SERVICE,
    SERVICE_REQUEST_RATE,
    STATUS,
    TARGET_INFO,
    WEB_VITALS_P75,
    Metric,
)
from specter_demo.coaching.past import coaching_past
from specter_demo.history.calibration import BOUNDS, Calibration, Outcome
from specter_demo.history.fill import SCRAPE_SECONDS, last_recorded, last_scraped, raw_tail, write
from specter_demo.history.keeper import STEP_SECONDS, HistoryKeeper
from specter_demo.history.simulate import Array, Series, counters, draw_requests, time_grid
from specter_demo.history.views import WATCHED, Views, bounds, views_of
from specter_demo.story.prometheus import PrometheusClient
from specter_demo.traffic.shape import ROUTES, TrafficShape
from specter_demo.traffic.vitals import DESKTOP, MOBILE, Load, measure
from specter_detector.packing import request
from specter_detector.protobuf import record_of
from specter_detector.remote_write import RemoteWriteClient
from specter_stack.programs import find_program
from tests.servers.prometheus import Prometheus, free_port, running_prometheus

pytestmark = pytest.mark.integration

# As in stack/prometheus/prometheus.yml; rules and scrapes would only be in the way.
CONFIG = """
global: {scrape_interval: 5s, evaluation_interval: 5s}
storage: {tsdb: {out_of_order_time_window: 30d}}
"""
HOUR = 3600.0
TARGET = {SERVICE: "shop", "instance": "shop-1", "job": "shop"}
# What a page of the shop costs a browser.
LOAD = Load(seconds=0.002, page_bytes=2500, script_bytes=0)
COUNT = HTTP_SERVER_REQUEST_DURATION.count


def calibration() -> Calibration:
    weights = np.zeros((1, len(BOUNDS)))
    weights[0, :3] = (0.7, 0.2, 0.1)
    return Calibration(
        {route: (Outcome("GET", route, "200"),) for route in ROUTES}, dict.fromkeys(ROUTES, weights)
    )


def keeper_in(folder: Path, shape: TrafficShape | None = None, seconds: float = 6 * HOUR) -> HistoryKeeper:
    return HistoryKeeper(
        database=folder / "data",
        note=folder / "history.json",
        promtool=find_program("promtool"),
        shape=shape or TrafficShape(),
        calibration=calibration(),
        seconds=seconds,
    )


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[Prometheus]:
    with running_prometheus(tmp_path / "prometheus", config=CONFIG, start=False) as server:
        yield server


def random(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def times_of(prometheus: Prometheus, name: str, now: float, labels: str = 'service="shop"') -> list[float]:
    rows = prometheus.query(f"{name}{{{labels}}}[1d]", at=now + 60)
    return [float(at) for at, _ in rows[0]["values"]] if rows else []  # type: ignore[attr-defined]


def live(until: float, seconds: float, seed: int) -> tuple[Array, list[Series]]:
    """Counters of a shop that started at `until`, scraped every 5 s at an odd offset."""
    times = until + 2.3 + SCRAPE_SECONDS * np.arange(seconds // SCRAPE_SECONDS)
    drawn = draw_requests(calibration(), TrafficShape().rate, times, SCRAPE_SECONDS, random(seed))
    labels = {**TARGET, METHOD: "GET", STATUS: "200"}
    return times, [
        Series(COUNT, {**labels, ROUTE: outcome.route}, values[:, -1])
        for outcome, values in counters(drawn, calibration()).items()
    ]


def assert_rate_is_the_shapes(prometheus: Prometheus, first: float, last: float) -> None:
    """The one-minute rate, as the recording rule computes it, stays within chance of the shape."""
    for at in np.arange(first, last, 5.0).tolist():
        rates = prometheus.values(f"sum(rate({COUNT}[1m]))", at=at)
        expected = float(TrafficShape().total(np.array([at - 30.0]))[0])
        assert rates, f"no rate {at - first:.0f} s into the seam"
        assert rates[0] == pytest.approx(expected, abs=5 * np.sqrt(expected / 60)), at - first


# --- the seam ---


def test_the_rate_goes_over_from_the_past_into_the_live_counters(prometheus: Prometheus) -> None:
    until = time.time() - 90.0
    keeper = keeper_in(prometheus.folder)
    assert keeper.import_if_new(until, random())
    prometheus.start()
    keeper.lead_in(prometheus.url, until, "1.4.0", random(2))
    times, series = live(until, 85.0, seed=3)
    # At worst the first scrape comes a whole interval after the traffic began.
    scraped = times >= until + SCRAPE_SECONDS
    write(prometheus.url, times[scraped], [Series(s.name, s.labels, s.values[scraped]) for s in series])

    assert_rate_is_the_shapes(prometheus, until - 240.0, until + 80.0)
    imported = times_of(prometheus, SERVICE_REQUEST_RATE, until)
    assert imported == time_grid(until - 6 * HOUR, until, STEP_SECONDS).tolist()
    versions = prometheus.query(f"{TARGET_INFO.name}", at=until)
    assert [row["metric"] for row in versions] == [
        {"__name__": TARGET_INFO.name, **TARGET, "service_name": "shop", "service_version": "1.4.0"}
    ]


def viewed(
    until: float, seconds: float, views: Views, metric: Metric, name: str
) -> tuple[Array, list[Series]]:
    """Buckets of an exporter that started at `until`, of views that were each played by themselves."""
    times = until + 1.0 + SCRAPE_SECONDS * np.arange(seconds // SCRAPE_SECONDS)
    source, device = Random(4), DESKTOP if views.device == "desktop" else MOBILE
    rate = views.share * TrafficShape().rate(views.route, times)
    counts = np.zeros((len(times), len(bounds(metric))))
    for row, number in enumerate(random(5).poisson(rate * SCRAPE_SECONDS).tolist()):
        for _ in range(number):
            value = measure(LOAD, device, source)[name] / 1000.0
            counts[row, np.searchsorted(bounds(metric), value)] += 1
    cumulative = np.cumsum(np.cumsum(counts, axis=0), axis=1)
    labels = {SERVICE: "shop", "instance": "browser-1", "job": "browser", **views.labels}
    written = ["+Inf" if np.isinf(bound) else str(float(bound)) for bound in bounds(metric)]
    return times, [
        Series(metric.bucket, {**labels, "le": le}, cumulative[:, index]) for index, le in enumerate(written)
    ]


@pytest.mark.parametrize("name", WATCHED)
def test_the_vitals_go_over_from_the_past_into_what_browsers_report(
    prometheus: Prometheus, name: str
) -> None:
    # A fixed time, as the number of views at it decides how noisy the quantile is.
    until, metric = 1_767_787_207.0, WATCHED[name]
    views = views_of(lambda _path: LOAD, Random(3))
    keeper = replace(keeper_in(prometheus.folder), calibration=replace(calibration(), views=views))
    assert keeper.import_if_new(until, random())
    prometheus.start()
    keeper.lead_in(prometheus.url, until, "1.4.0", random(2))
    for one in views:
        write(prometheus.url, *viewed(until, 120.0, one, metric, name))
        selector = f'page="{one.page}",device="{one.device}"'
        (past,) = prometheus.values(f"avg_over_time({WEB_VITALS_P75[metric]}{{{selector}}}[6h])", at=until)
        for at in np.arange(until - 30.0, until + 110.0, 10.0).tolist():
            rates = f"rate({metric.bucket}{{{selector}}}[5m])"
            (now,) = prometheus.values(f"histogram_quantile(0.75, sum by (le) ({rates}))", at=at)
            assert now == pytest.approx(past, rel=0.2), (selector, at - until)


def test_a_past_without_views_is_replaced_by_one_with_them(tmp_path: Path) -> None:
    keeper = keeper_in(tmp_path, seconds=600.0)
    assert keeper.import_if_new(time.time(), random())
    assert not keeper.import_if_new(time.time(), random())
    views = views_of(lambda _path: LOAD, Random(3))
    assert replace(keeper, calibration=replace(calibration(), views=views)).import_if_new(
        time.time(), random()
    )


def test_a_run_that_ended_a_minute_ago_is_not_mixed_with_made_up_counters(prometheus: Prometheus) -> None:
    # A fixed time: the day's shape and where scrapes fall in it decide how noisy a rate of 150 s is.
    now = 1_767_787_207.0
    first, second = now - 300.0, now - 90.0
    keeper = keeper_in(prometheus.folder)
    prometheus.start()
    keeper.lead_in(prometheus.url, first, "1.4.0", random())
    write(prometheus.url, *live(first, 150.0, seed=2))  # ends 60 s before the second run
    assert last_scraped(PrometheusClient(prometheus.url), TARGET, second) == pytest.approx(
        first + 147.3, abs=0.001
    )
    keeper.lead_in(prometheus.url, second, "1.4.0", random(3))
    write(prometheus.url, *live(second, 85.0, seed=4))
    assert_rate_is_the_shapes(prometheus, first - 60.0, first + 150.0)
    assert_rate_is_the_shapes(prometheus, second, second + 80.0)


def test_the_lead_in_may_be_written_again_at_once(prometheus: Prometheus) -> None:
    until = time.time() - 60.0
    keeper = keeper_in(prometheus.folder)
    prometheus.start()
    keeper.lead_in(prometheus.url, until, "1.4.0", random())
    before = prometheus.values(f"sum(count_over_time({COUNT}[10m]))", at=until)
    keeper.lead_in(prometheus.url, until, "1.4.0", random(2))
    keeper.lead_in(prometheus.url, until + 30.0, "1.4.0", random(3))
    assert before == [73.0 * len(ROUTES)]
    assert prometheus.values(f"sum(count_over_time({COUNT}[15m]))", at=until + 30.0) == [80.0 * len(ROUTES)]
    assert_rate_is_the_shapes(prometheus, until - 200.0, until + 30.0)


def test_the_tail_has_the_labels_of_a_scrape_and_cumulative_buckets() -> None:
    times, series = raw_tail(calibration(), TrafficShape().rate, 1_700_000_000.0, TARGET, random())
    assert (times[0], times[-2], times[-1]) == (1_699_999_640.0, 1_699_999_995.0, 1_700_000_000.0)
    assert {float(one.values[-1]) for one in series} == {0.0}
    assert len(times) == 73
    assert len(series) == len(ROUTES) * (len(BOUNDS) + 1)
    front = [one for one in series if one.labels[ROUTE] == "/"]
    bounds = [one.labels["le"] for one in front if "le" in one.labels]
    assert bounds[:2] + bounds[-2:] == ["0.005", "0.01", "10.0", "+Inf"]
    assert front[-1].labels == {
        **TARGET,
        ROUTE: "/",
        METHOD: "GET",
        STATUS: "200",
    }
    assert front[-1].values.tolist() == front[-2].values.tolist()


def test_a_service_beside_the_shop_has_a_past_of_its_own(prometheus: Prometheus) -> None:
    until = time.time() - 90.0
    coaching = coaching_past(TrafficShape())
    keeper = replace(keeper_in(prometheus.folder), beside=(coaching,))
    assert keeper.import_if_new(until - HOUR, random())
    prometheus.start()
    keeper.lead_in(prometheus.url, until, "1.4.0", random(2))
    written = keeper.fill_gap(prometheus.url, until, random(3))
    routes = len(ROUTES) + len(coaching.calibration.routes)
    # Of so few requests some routes have had none in a minute, and then no quantiles.
    most = len(time_grid(until - HOUR, until, STEP_SECONDS)) * 5 * (2 + routes)
    assert 0.99 * most <= written <= most
    found = times_of(prometheus, SERVICE_REQUEST_RATE, until, 'service="coaching"')
    assert found == time_grid(until - 7 * HOUR, until, STEP_SECONDS).tolist()
    # As a scrape of the live service labels its counters and its version.
    target = {SERVICE: "coaching", "instance": "coaching-1", "job": "coaching"}
    rows = prometheus.query(f'{COUNT}{{service="coaching",{ROUTE}="/advice/:topic"}}', at=until)
    outcome = {METHOD: "GET", ROUTE: "/advice/:topic", STATUS: "200"}
    assert [row["metric"] for row in rows] == [{"__name__": COUNT, **target, **coaching.labels, **outcome}]
    versions = prometheus.query(f'{TARGET_INFO.name}{{service="coaching"}}', at=until)
    release = {"service_name": "coaching", "service_version": coaching.version}
    assert [row["metric"] for row in versions] == [{"__name__": TARGET_INFO.name, **target, **release}]


# --- gaps ---


def test_a_start_hours_later_fills_the_gap_without_a_hole(prometheus: Prometheus) -> None:
    now = time.time()
    keeper = keeper_in(prometheus.folder)
    assert keeper.import_if_new(now - 3 * HOUR, random())
    assert not keeper.import_if_new(now, random())
    prometheus.start()
    keeper.lead_in(prometheus.url, now, "1.4.0", random(2))
    written = keeper.fill_gap(prometheus.url, now, random(3))
    gap = time_grid(now - 3 * HOUR, now, STEP_SECONDS)
    assert written == len(gap) * 5 * (1 + len(ROUTES))
    for name, labels in (
        (SERVICE_REQUEST_RATE, 'service="shop"'),
        (ROUTE_DURATION["p95"], f'service="shop",{ROUTE}="/login"'),
    ):
        found = times_of(prometheus, name, now, labels)
        assert found == time_grid(now - 9 * HOUR, now, STEP_SECONDS).tolist()
    rates = prometheus.values(f"avg_over_time({SERVICE_REQUEST_RATE}[3h])", at=now)
    assert rates[0] == pytest.approx(TrafficShape().total(gap).mean(), rel=0.02)
    assert keeper.fill_gap(prometheus.url, now, random()) == 0


def test_the_gap_begins_right_after_the_last_sample_even_if_the_series_was_ended(
    prometheus: Prometheus,
) -> None:
    now = 15.0 * (time.time() // 15.0)
    prometheus.start()
    # Live samples between the steps; the shop stopped before Prometheus, which marked the series stale.
    live_times: Array = now - HOUR + 7.3 + np.arange(0.0, 500.0, 5.0, dtype=np.float64)
    rate = Series(SERVICE_REQUEST_RATE, {SERVICE: "shop"}, np.full(100, 20.0))
    write(prometheus.url, live_times, [rate])
    _mark_stale(prometheus, live_times[-1] + 5.0)
    client = PrometheusClient(prometheus.url)
    assert last_recorded(client, "shop", now, HOUR) == pytest.approx(live_times[-1], abs=0.001)
    keeper_in(prometheus.folder).fill_gap(prometheus.url, now, random())
    found = [at for at in times_of(prometheus, SERVICE_REQUEST_RATE, now) if at > live_times[-1] + 0.1]
    first = STEP_SECONDS * np.ceil(live_times[-1] / STEP_SECONDS)
    assert found == time_grid(first, now, STEP_SECONDS).tolist()


def _mark_stale(prometheus: Prometheus, at: float) -> None:
    labels = (("__name__", SERVICE_REQUEST_RATE), (SERVICE, "shop"))
    client = RemoteWriteClient(prometheus.url, requests.Session())
    assert client.send(request([record_of(labels, None, at)]), 5.0).kind == "ok"
    client.close()


def test_a_gap_longer_than_the_past_is_filled_as_far_as_the_past_goes(prometheus: Prometheus) -> None:
    now = time.time()
    keeper = keeper_in(prometheus.folder, seconds=HOUR)
    assert keeper.import_if_new(now - 3 * HOUR, random())
    prometheus.start()
    assert last_recorded(PrometheusClient(prometheus.url), "shop", now, HOUR) is None
    keeper.lead_in(prometheus.url, now, "1.4.0", random(2))
    keeper.fill_gap(prometheus.url, now, random(3))
    imported = time_grid(now - 4 * HOUR, now - 3 * HOUR, STEP_SECONDS).tolist()
    filled = time_grid(now - HOUR, now, STEP_SECONDS).tolist()
    assert times_of(prometheus, SERVICE_REQUEST_RATE, now) == imported + filled


def test_the_longest_gap_is_within_what_prometheus_takes(prometheus: Prometheus) -> None:
    now = time.time()
    prometheus.start()
    keeper_in(prometheus.folder).lead_in(prometheus.url, now, "1.4.0", random())
    oldest = time_grid(now - 28 * 24 * HOUR, now - 28 * 24 * HOUR + 60.0, STEP_SECONDS)
    rate = Series(SERVICE_REQUEST_RATE, {SERVICE: "shop"}, np.full(len(oldest), 20.0))
    assert write(prometheus.url, oldest, [rate]) == len(oldest)
    assert last_recorded(PrometheusClient(prometheus.url), "shop", now, 28 * 24 * HOUR) == pytest.approx(
        oldest[-1]
    )


def test_a_prometheus_that_refuses_is_quoted(tmp_path: Path) -> None:
    with running_prometheus(tmp_path / "prometheus") as strict:  # no out-of-order window
        write(strict.url, np.array([time.time()]), [Series("demo", {}, np.ones(1))])
        with pytest.raises(SpecterError, match=r"does not take the history: HTTP 400: out of"):
            write(strict.url, np.array([time.time() - HOUR]), [Series("demo", {}, np.ones(1))])


def test_a_prometheus_that_is_away_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(SpecterError, match=f"Prometheus at {url} does not take the history"):
        write(url, np.array([1.0]), [Series("demo", {}, np.ones(1))])


# --- the note beside the database ---


@pytest.mark.parametrize("note", ["", "{half", "[]", "null", b"\xff\xfe\x00"])
def test_a_damaged_note_means_a_new_history(tmp_path: Path, note: str | bytes) -> None:
    keeper = keeper_in(tmp_path, seconds=60.0)
    now = time.time()
    assert keeper.import_if_new(now, random())
    (tmp_path / "data" / "old").mkdir()
    keeper.note.write_bytes(note if isinstance(note, bytes) else note.encode())
    assert keeper.import_if_new(now, random())
    assert not (tmp_path / "data" / "old").exists()
    assert json.loads(keeper.note.read_text())["peak"] == 24.0


def test_another_shape_replaces_the_history(tmp_path: Path) -> None:
    now = time.time()
    assert keeper_in(tmp_path, seconds=60.0).import_if_new(now, random())
    (tmp_path / "data" / "old").mkdir()
    for other in (TrafficShape(utc_offset_hours=5.5), TrafficShape(peak=48.0), TrafficShape(seed=2)):
        keeper = keeper_in(tmp_path, other, seconds=60.0)
        assert keeper.import_if_new(now, random())
        assert not keeper.import_if_new(now, random())
    assert not (tmp_path / "data" / "old").exists()


def test_a_service_more_or_less_replaces_the_history(tmp_path: Path) -> None:
    now = time.time()
    alone = keeper_in(tmp_path, seconds=60.0)
    both = replace(alone, beside=(coaching_past(TrafficShape()),))
    for keeper in (alone, both, alone):
        assert keeper.import_if_new(now, random())
        assert not keeper.import_if_new(now, random())


def test_a_note_without_a_database_means_a_new_history(tmp_path: Path) -> None:
    keeper = keeper_in(tmp_path, seconds=60.0)
    now = time.time()
    assert keeper.import_if_new(now, random())
    for path in keeper.database.rglob("*"):
        if path.is_file():
            path.unlink()
    for path in sorted(keeper.database.rglob("*"), reverse=True):
        path.rmdir()
    assert keeper.import_if_new(now, random())
    assert any(keeper.database.iterdir())


def test_a_failed_import_leaves_no_note(tmp_path: Path) -> None:
    keeper = keeper_in(tmp_path, seconds=60.0)
    now = time.time()
    assert keeper.import_if_new(now, random())
    broken = HistoryKeeper(
        keeper.database,
        keeper.note,
        tmp_path / "gone",
        TrafficShape(peak=30.0),
        calibration(),
        seconds=60.0,
    )
    with pytest.raises(SpecterError, match="cannot be written"):
        broken.import_if_new(now, random())
    assert not keeper.note.exists()
    assert keeper.import_if_new(now, random())


def test_a_folder_that_the_demo_did_not_fill_is_never_emptied(tmp_path: Path) -> None:
    foreign = tmp_path / "data" / "somebody.elses"
    foreign.parent.mkdir()
    foreign.write_text("weeks of it")
    keeper = HistoryKeeper(
        database=foreign.parent,
        note=tmp_path / "history.json",
        promtool=Path("promtool"),
        shape=TrafficShape(),
        calibration=Calibration({}, {}),
    )
    with pytest.raises(SpecterError, match="holds data that the demo did not make"):
        keeper.import_if_new(0.0, np.random.default_rng(1))
    assert foreign.read_text() == "weeks of it"
