"""The simulated past is what Prometheus would have recorded."""

from pathlib import Path

import numpy as np
import pytest
from prometheus_client import generate_latest

from specter_core.errors import SpecterError
from specter_core.metrics import (
    HTTP_SERVER_REQUEST_DURATION,
    ROUTE,
    ROUTE_DURATION,
    ROUTE_ERROR_RATIO,
    ROUTE_REQUEST_RATE,
    SERVICE,
    SERVICE_DURATION,
    SERVICE_ERROR_RATIO,
    SERVICE_REQUEST_RATE,
)
from specter_demo.history.calibration import BOUNDS, Calibration, Outcome, calibrate
from specter_demo.history.simulate import (
    Array,
    counters,
    draw_requests,
    histogram_quantile,
    recorded_series,
    rolling_sum,
    time_grid,
)
from specter_demo.traffic.shape import ROUTES, TrafficShape
from specter_exporters.app import Recorder
from tests.servers.prometheus import running_prometheus

STEP = 15.0
START = 1_700_000_000.0


def calibration(*outcomes: Outcome) -> Calibration:
    """Every outcome of a route as likely as the others; latencies in the first three buckets."""
    found = outcomes or tuple(Outcome("GET", route, "200") for route in ROUTES)
    routes = sorted({outcome.route for outcome in found})
    cells = {}
    for route in routes:
        own = [outcome for outcome in found if outcome.route == route]
        weights = np.zeros((len(own), len(BOUNDS)))
        weights[:, :3] = (0.7, 0.2, 0.1)
        cells[route] = weights / weights.sum()
    return Calibration(
        {route: tuple(outcome for outcome in found if outcome.route == route) for route in routes}, cells
    )


def simulate(times: Array, seed: int = 1, rate: float | None = None) -> dict[tuple[str, str], Array]:
    rate_of = TrafficShape().rate if rate is None else (lambda _route, at: np.full(len(at), rate))
    series = recorded_series(
        calibration(), rate_of, times, step=STEP, service="shop", random=np.random.default_rng(seed)
    )
    return {(one.name, one.labels.get(ROUTE, "")): one.values for one in series}


# --- quantiles ---

CASES = {
    "spread": [10, 20, 5, 3, 2, 1, 4, 0, 0, 1, 0, 0, 0, 0, 2],
    "first_bucket": [50, *[0] * 14],
    "inf_bucket": [*[0] * 14, 7],
    "quantile_in_inf": [90, *[0] * 13, 10],
    "gap": [5, 0, 0, 0, 0, 0, 0, 5, *[0] * 7],
    "edge": [95, 5, *[0] * 13],
    "one": [0, 0, 1, *[0] * 12],
    "empty": [0] * 15,
}


@pytest.mark.integration
def test_quantiles_are_those_of_prometheus_on_the_same_buckets(tmp_path: Path) -> None:
    bucket = HTTP_SERVER_REQUEST_DURATION.bucket
    lines = [f"# TYPE {bucket} gauge"]
    for name, counts in CASES.items():
        for bound, value in zip(BOUNDS, np.cumsum(counts), strict=True):
            le = "+Inf" if np.isinf(bound) else str(float(bound))
            lines.append(f'{bucket}{{case="{name}",le="{le}"}} {value} {START:.0f}')
    rows = np.array(list(CASES.values()), dtype=np.float64)
    with running_prometheus(tmp_path / "prometheus", history=lines) as prometheus:
        for quantile in (0.5, 0.95, 0.99):
            answer = prometheus.query(f"histogram_quantile({quantile}, {bucket})", at=START)
            theirs = {row["metric"]["case"]: float(row["value"][1]) for row in answer}  # type: ignore[index]
            ours = dict(zip(CASES, histogram_quantile(quantile, rows).tolist(), strict=True))
            assert ours == pytest.approx(theirs, nan_ok=True)


def test_quantiles_at_the_ends_of_the_histogram() -> None:
    rows = np.array([CASES["first_bucket"], CASES["inf_bucket"], CASES["empty"]], dtype=np.float64)
    median = histogram_quantile(0.5, rows)
    assert median[0] == pytest.approx(0.0025)
    assert median[1] == 10.0
    assert np.isnan(median[2])


# --- windows and grids ---


def test_rolling_sum_adds_the_rows_of_the_window() -> None:
    counts = np.array([[1, 0], [2, 0], [3, 1], [4, 0], [5, 0]], dtype=np.int32)
    assert rolling_sum(counts, 3).tolist() == [[1, 0], [3, 0], [6, 1], [9, 1], [12, 1]]
    assert rolling_sum(counts, 9)[-1].tolist() == [15, 1]


def test_the_grid_holds_the_multiples_of_the_step_from_start_to_before_end() -> None:
    assert time_grid(31.0, 75.0, 15.0).tolist() == [45.0, 60.0]
    assert time_grid(30.0, 75.1, 15.0).tolist() == [30.0, 45.0, 60.0, 75.0]
    assert time_grid(31.0, 44.0, 15.0).tolist() == []
    assert time_grid(90.0, 30.0, 15.0).tolist() == []


# --- recorded series ---


def test_rates_follow_the_shape_within_chance() -> None:
    times = time_grid(START, START + 86400.0, STEP)
    recorded = simulate(times)
    for route in ROUTES:
        rates = recorded[ROUTE_REQUEST_RATE, route]
        # Every fourth window shares no request with the others.
        own, expected = rates[::4] * 60, TrafficShape().rate(route, times[::4] - 30.0) * 60
        assert abs(own.sum() - expected.sum()) < 4 * np.sqrt(expected.sum())
        assert np.mean((own - expected) ** 2 / expected) == pytest.approx(1.0, abs=0.15)


def test_the_service_is_the_sum_of_its_routes_and_fails_no_request() -> None:
    times = time_grid(START, START + 3600.0, STEP)
    recorded = simulate(times)
    routes = np.sum([recorded[ROUTE_REQUEST_RATE, route] for route in ROUTES], axis=0)
    assert recorded[SERVICE_REQUEST_RATE, ""] == pytest.approx(routes)
    assert recorded[SERVICE_ERROR_RATIO, ""].tolist() == [0.0] * len(times)


def test_every_recorded_series_of_the_rules_is_there_with_its_labels() -> None:
    series = recorded_series(
        calibration(),
        TrafficShape().rate,
        time_grid(START, START + 60.0, STEP),
        step=STEP,
        service="shop",
        random=np.random.default_rng(1),
    )
    service = {SERVICE_REQUEST_RATE, SERVICE_ERROR_RATIO, *SERVICE_DURATION.values()}
    route = {ROUTE_REQUEST_RATE, ROUTE_ERROR_RATIO, *ROUTE_DURATION.values()}
    expected = {(name, (("service", "shop"),)) for name in service} | {
        (name, ((ROUTE, each), (SERVICE, "shop"))) for name in route for each in ROUTES
    }
    assert {(one.name, tuple(sorted(one.labels.items()))) for one in series} == expected
    assert len(series) == len(expected)


def test_latencies_are_the_quantiles_of_the_calibration() -> None:
    recorded = simulate(time_grid(START, START + 600.0, STEP), rate=500.0)
    # 0.5 of requests within 0.005 * 0.5 / 0.7; 0.95 in the middle of the third bucket.
    assert recorded[ROUTE_DURATION["p50"], "/"].mean() == pytest.approx(0.005 * 0.5 / 0.7, rel=0.01)
    assert recorded[ROUTE_DURATION["p95"], "/"].mean() == pytest.approx(0.0175, rel=0.01)
    assert recorded[SERVICE_DURATION["p99"], ""].mean() == pytest.approx(0.0235, rel=0.01)


def test_a_silent_minute_has_a_rate_and_an_error_ratio_of_zero_but_no_latency() -> None:
    recorded = simulate(time_grid(START, START + 60.0, STEP), rate=0.0)
    assert recorded[ROUTE_REQUEST_RATE, "/"].tolist() == [0.0] * 4
    assert recorded[ROUTE_ERROR_RATIO, "/"].tolist() == [0.0] * 4
    assert np.isnan(recorded[ROUTE_DURATION["p95"], "/"]).all()


def test_a_seed_decides_everything() -> None:
    times = time_grid(START, START + 600.0, STEP)
    first, same, other = simulate(times, seed=3), simulate(times, seed=3), simulate(times, seed=4)
    assert all(np.array_equal(first[key], same[key], equal_nan=True) for key in first)
    assert not np.array_equal(first[SERVICE_REQUEST_RATE, ""], other[SERVICE_REQUEST_RATE, ""])


def test_no_times_make_empty_series() -> None:
    recorded = simulate(time_grid(START, START, STEP))
    assert {len(values) for values in recorded.values()} == {0}


def test_counters_are_cumulative_over_time_and_buckets() -> None:
    two = calibration(Outcome("GET", "/", "200"), Outcome("GET", "/", "404"))
    times = time_grid(START, START + 300.0, 5.0)
    drawn = draw_requests(
        two, lambda _route, at: np.full(len(at), 10.0), times, 5.0, np.random.default_rng(1)
    )
    counted = counters(drawn, two)
    assert set(counted) == {Outcome("GET", "/", "200"), Outcome("GET", "/", "404")}
    total = sum(values[-1, -1] for values in counted.values())
    assert total == drawn["/"].sum()
    for values in counted.values():
        assert (np.diff(values, axis=0) >= 0).all()
        assert (np.diff(values, axis=1) >= 0).all()
        assert values[:, 2].tolist() == values[:, -1].tolist()


# --- calibration from the shop's own exposition ---


class Shop:
    """A recorder and its exposition, as the shop has them."""

    def __init__(self) -> None:
        self.recorder = Recorder(service_name="shop", service_version="1.4.0")

    def serve(self, route: str, status: str, seconds: float, times: int = 1, method: str = "GET") -> None:
        for _ in range(times):
            self.recorder.observe(method, route, status, seconds, None)

    def scrape(self) -> str:
        return generate_latest(self.recorder.registry).decode()


def test_calibration_is_what_was_served_between_two_scrapes() -> None:
    shop = Shop()
    shop.serve("/", "200", 2.0, times=100)
    shop.serve("/search", "200", 0.004, times=5)
    before = shop.scrape()
    shop.serve("/", "200", 0.004, times=6)
    shop.serve("/", "200", 0.02, times=3)
    shop.serve("/", "404", 20.0)
    shop.serve("/checkout", "201", 0.03, method="POST")
    found = calibrate(before, shop.scrape())

    assert found.routes == ("/", "/checkout")  # nobody asked for /search in between
    assert found.outcomes["/"] == (Outcome("GET", "/", "200"), Outcome("GET", "/", "404"))
    ok, missing = found.probabilities["/"]
    assert ok[[0, 2]] == pytest.approx([0.6, 0.3])
    assert missing[14] == pytest.approx(0.1)
    assert found.probabilities["/"].sum() == pytest.approx(1.0)
    assert found.probabilities["/checkout"][0, 3] == 1.0


def test_server_errors_and_unmatched_routes_are_left_out() -> None:
    shop = Shop()
    before = shop.scrape()
    shop.serve("/", "200", 0.004)
    shop.serve("/", "503", 2.0, times=9)
    shop.serve("", "404", 0.001, times=9)
    found = calibrate(before, shop.scrape())
    assert found.outcomes == {"/": (Outcome("GET", "/", "200"),)}
    assert found.probabilities["/"].tolist() == [[1.0, *[0.0] * 14]]


def test_a_shop_that_restarted_in_between_counts_from_zero() -> None:
    before, after = Shop(), Shop()
    before.serve("/", "200", 0.004, times=50)
    after.serve("/", "200", 0.02, times=4)
    found = calibrate(before.scrape(), after.scrape())
    assert found.probabilities["/"][0].tolist() == [0.0, 0.0, 1.0, *[0.0] * 12]


def test_no_request_served_is_an_error() -> None:
    shop = Shop()
    shop.serve("/", "200", 0.004)
    scrape = shop.scrape()
    with pytest.raises(SpecterError, match=r"^the shop served no request while its latencies were measured"):
        calibrate(scrape, scrape)
