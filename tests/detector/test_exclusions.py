"""Windows that are not learnt from: laid over samples, and read from a real Prometheus."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from specter_core import metrics
from specter_core.config import parse_config
from specter_detector.config import default_config, resolve
from specter_detector.exclusion_reader import ExclusionReader
from specter_detector.exclusions import MOST_WINDOWS, Kind, Window, excluded, matching, merged
from specter_detector.models.arrays import Floats
from specter_detector.models.fit import FitOptions, fit
from specter_detector.prometheus_api import open_api
from specter_detector.reader import RefusedError, UnreachableError
from specter_detector.schema import DetectorSchema
from specter_detector.series import labels_of
from tests.detector.running import detector_of
from tests.servers.prometheus import Prometheus, running_prometheus

SHOP, PAY = labels_of({"service": "shop", "route": "/a"}), labels_of({"service": "pay", "route": "/a"})
OF_SHOP = (("service", "shop"),)


def window(start: float, end: float, match: tuple[tuple[str, str], ...] = ()) -> Window:
    return Window("maintenance", match, start, end)


def test_a_window_covers_the_series_whose_labels_match_from_its_start_to_its_end() -> None:
    times = np.arange(0.0, 10.0)
    found = excluded(times, [SHOP, PAY], [window(2, 5, OF_SHOP), window(8, 9)], reach=0)
    assert np.flatnonzero(found[0]).tolist() == [2, 3, 4, 8]
    assert np.flatnonzero(found[1]).tolist() == [8]


def test_a_sample_that_speaks_of_the_window_counts_too() -> None:
    times = np.arange(0.0, 3000.0, 300.0)
    found = excluded(times, [SHOP], [window(600, 900)])
    # At 900 and up to 1200 a rate over five minutes still holds some of it.
    assert times[found[0]].tolist() == [600.0, 900.0]


def test_every_label_must_match_and_for_names_the_query() -> None:
    times = np.array([1.0])
    both = labels_of({"service": "shop", "route": "/b"})
    of_query = labels_of({"service": "shop", "for": "rate"})
    assert not excluded(times, [SHOP], [window(0, 2, both)]).any()
    assert excluded(times, [SHOP], [window(0, 2, of_query)], alias="rate").all()
    assert not excluded(times, [SHOP], [window(0, 2, of_query)], alias="latency").any()
    assert not excluded(times, [SHOP], [window(0, 2, labels_of({"pod": "x"}))]).any()


def test_one_tick_and_no_series_have_their_shapes() -> None:
    assert excluded(np.array([5.0]), [SHOP, PAY], [window(0, 9)]).tolist() == [[True], [True]]
    assert excluded(np.array([5.0]), [], [window(0, 9)]).shape == (0, 1)
    assert excluded(np.array([]), [SHOP], [window(0, 9)]).shape == (1, 0)


def test_overlapping_windows_become_one_and_old_ones_go() -> None:
    found = merged([window(5, 7), window(1, 3), window(2, 4), window(4, 5), window(2, 9, OF_SHOP)], since=4)
    assert found == (window(1, 7), window(2, 9, OF_SHOP))
    assert merged([window(1, 3)], since=3) == ()
    many = [window(start, start + 1) for start in range(0, 3 * MOST_WINDOWS, 3)]
    kept = merged(many, since=0)
    assert len(kept) == MOST_WINDOWS
    assert kept[-1] == many[-1]


def test_a_metrics_match_labels_say_what_it_is_about() -> None:
    labels = {
        "__name__": "x",
        "job": "incidents",
        "service": "incidents",
        "match_service": "shop",
        "match_": "y",
    }
    assert matching(labels) == OF_SHOP
    assert matching({"job": "incidents"}) == ()


STEP = 15


def history(end: int) -> Iterator[str]:
    """Yield four hours of samples every 15 s, of what the next test expects."""
    times = range(end - 4 * 3600, end, STEP)

    def series(name: str, labels: str, value: str, first: int, last: int) -> Iterator[str]:
        return (f"{name}{{{labels}}} {value} {at}" for at in times if first <= at < last)

    info = metrics.TARGET_INFO.name
    yield f"# TYPE {info} gauge"
    yield from series(info, 'service="shop",job="a",service_version="1"', "1", 0, end - 7200)
    yield from series(info, 'service="shop",job="a",service_version="2"', "1", end - 7200, end)
    # Away for half an hour, and back with the same version: no deployment.
    yield from series(info, 'service="pay",job="b",service_version="1"', "1", 0, end - 9000)
    yield from series(info, 'service="pay",job="b",service_version="1"', "1", end - 7200, end)
    yield "# TYPE worker_build_info gauge"
    yield from series("worker_build_info", 'job="worker",version="1"', "1", 0, end - 1800)
    yield from series("worker_build_info", 'job="worker",version="2"', "1", end - 1800, end)
    yield f"# TYPE {metrics.MAINTENANCE_ACTIVE.name} gauge"
    of_pay = 'job="incidents",service="incidents",match_service="pay"'
    yield from series(metrics.MAINTENANCE_ACTIVE.name, of_pay, "0", 0, end - 6000)
    yield from series(metrics.MAINTENANCE_ACTIVE.name, of_pay, "1", end - 6000, end - 5400)
    yield f"# TYPE {metrics.DEPLOYMENT_TIMESTAMP.name} gauge"
    of_web = 'match_service="web"'
    yield from series(metrics.DEPLOYMENT_TIMESTAMP.name, of_web, str(end - 4000), end - 3990, end - 1000)
    yield from series(metrics.DEPLOYMENT_TIMESTAMP.name, of_web, str(end - 1010), end - 1000, end)
    for metric, value in ((metrics.FEEDBACK_START, end - 9000), (metrics.FEEDBACK_END, end - 8000)):
        yield f"# TYPE {metric.name} gauge"
        yield from series(
            metric.name, 'feedback_id="1",verdict="incident",match_for="rate"', str(value), 0, end
        )
        yield from series(metric.name, 'feedback_id="2",verdict="odd",match_for="rate"', str(value), 0, end)


@pytest.fixture(scope="module")
def end() -> int:
    now = int(time.time())
    return now - now % STEP


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, end: int) -> Iterator[Prometheus]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    with running_prometheus(folder, history=history(end)) as server:
        yield server


def starts(windows: tuple[Window, ...], end: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], list[int]]:
    """Return the beginnings before `end` by kind and match."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = {}
    for each in windows:
        found.setdefault((each.kind, each.match), []).append(round(end - each.start))
    return found


@pytest.mark.integration
@pytest.mark.parametrize("first", [0, 3600], ids=["at once", "in two parts"])
def test_windows_are_read_from_their_metrics(prometheus: Prometheus, end: int, first: int) -> None:
    with closing(open_api(default_config(prometheus.url).reader)) as api:
        reader = ExclusionReader(api, horizon=4 * 3600, timeout=10)
        assert reader.due(end - 60)
        if first:
            reader.update(end - first)
        windows = reader.update(end - STEP)
        assert not reader.due(end)
        assert reader.due(end + 60)
    shop, worker, web = (("service", "shop"),), (("job", "worker"),), (("service", "web"),)
    assert starts(windows, end) == {
        # An edge may lie anywhere in the step before, which is five minutes in the past.
        ("deployment", shop): [pytest.approx(7500, abs=300)],
        ("deployment", worker): [pytest.approx(2100, abs=300)],
        ("deployment", web): [4000, 1010],
        ("maintenance", (("service", "pay"),)): [pytest.approx(6300, abs=300)],
        ("incident", (("for", "rate"),)): [9000],
    }
    (maintenance,) = [each for each in windows if each.kind == "maintenance"]
    # Without a marker the server repeats the last value for five minutes.
    assert end - maintenance.end == pytest.approx(5400 - 600, abs=300)
    (deployed,) = [each for each in windows if each.match == shop]
    assert deployed.end - (end - 7200) == pytest.approx(750, abs=150)


class Failing:
    """Answers nothing, or with an error; keeps what it was asked."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.asked = 0
        self.ranges: list[tuple[float, float, float]] = []

    def query(self, expr: str, at: float, timeout: float) -> list[object]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return []

    def query_range(self, expr: str, start: float, end: float, step: float, timeout: float) -> list[object]:
        self.ranges.append((start, end, step))
        return self.query(expr, end, timeout)


def test_what_cannot_be_read_is_told_once_and_tried_again_more_rarely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    server = Failing(RefusedError("no"))
    reader = ExclusionReader(server, horizon=3600, timeout=1)
    asked = []
    for minute in range(130):
        before = server.asked
        assert reader.update(minute * 60.0) == ()
        asked.append(server.asked - before)
    # Four sources: after 1, 2, 4, 8, 16, 32 and then each 60 minutes; feedback each time.
    assert [minute for minute, count in enumerate(asked) if count > 1] == [0, 1, 3, 7, 15, 31, 63, 123]
    assert caplog.messages.count("maintenance cannot be read, and are learnt from: no") == 1
    assert caplog.messages.count("feedback cannot be read: no") == 1
    complete = reader.complete
    assert not complete
    server.error = None
    reader.update(130 * 60.0 + 3600)
    assert "maintenance can be read again" in caplog.messages
    assert reader.complete
    server.error = UnreachableError("away")
    with pytest.raises(UnreachableError):
        reader.update(1e6)


def test_the_past_is_read_from_the_present_backwards_within_a_budget() -> None:
    server = Failing(None)
    clock = iter(np.arange(0.0, 1e6, 1.5))
    reader = ExclusionReader(server, horizon=28 * 86400, timeout=1, monotonic=lambda: float(next(clock)))
    now = 100 * 86400.0
    updates = 0
    while not reader.complete:
        before = len(server.ranges)
        reader.update(now + 60 * updates)
        assert len(server.ranges) - before <= 4 + 4
        updates += 1
    assert updates > 10
    past = [(start, end) for start, end, step in server.ranges if step == 300]
    # Each of the four kinds of metric in 28 pieces of a day, one beside the other.
    assert len(past) == pytest.approx(4 * 28, abs=4)
    assert {round(end - start) for start, end in past} <= {86400, *range(0, 86400, 300)}
    first = sorted({(start, end) for start, end in past if end > now - 86400})
    assert first[-1][1] == now


def test_a_long_sleep_is_the_past_too() -> None:
    server = Failing(None)
    reader = ExclusionReader(server, horizon=7 * 86400, timeout=1)
    reader.update(100 * 86400.0)
    assert reader.complete
    server.ranges.clear()
    reader.update(105 * 86400.0)
    assert reader.complete
    assert max(end - start for start, end, _ in server.ranges) <= 86400 + 300


LEVEL = """
reader:
  datasource_url: {url}
  queries:
    q:
      expr: 'label_replace(vector(50) + 50 * (time() > bool {since}), "service", "shop", "", "")'
      step: 1m
schedulers: {{s: {{infer_every: 1m, fit_window: 1d}}}}
presets: []
"""


@pytest.mark.integration
@pytest.mark.parametrize(
    ("kind", "learnt"), [(None, True), ("incident", False), ("normal", True), ("maintenance", False)]
)
def test_the_running_detector_judges_a_window_and_does_not_learn_from_it(
    tmp_path: Path, kind: Kind | None, learnt: bool
) -> None:
    since = int(time.time()) // 60 * 60 - 40 * 60
    windows = () if kind is None else (Window(kind, (("for", "q"), *OF_SHOP), since, since + 3600.0),)
    with running_prometheus(tmp_path / "prometheus") as server:
        text = LEVEL.format(url=server.url, since=since)
        config = resolve(parse_config(text, DetectorSchema, file="test"))
        with closing(detector_of(config, feedback=windows)) as detector:
            (job,) = detector.engine.jobs
            detector.engine.fit(job, since)
            scores = []
            for minute in range(1, 31):
                detector.engine.tick("s", since + 60.0 * minute)
                (verdict,) = job.latest()
                scores.append(verdict.score)
            assert scores[0] > 1
            # A level that stays is followed, unless it must not be learnt from.
            assert (verdict.yhat == pytest.approx(100.0, abs=5.0)) == learnt
            assert (verdict.yhat == pytest.approx(50.0, abs=0.5)) == (not learnt)


def test_a_fit_learns_from_what_is_excluded_as_if_it_were_not_there() -> None:
    times: Floats = 300.0 * np.arange(6 * 288.0)
    values = (
        50 + 10 * np.sin(2 * np.pi * times / 86400) + np.random.default_rng(0).normal(size=(2, times.size))
    )
    outage = np.zeros(values.shape, np.bool_)
    outage[0, 1000:1100] = True
    values[outage] = 0.0
    hidden = fit(times, np.where(outage, np.nan, values), FitOptions(), with_state=True)
    told = fit(times, values, FitOptions(), with_state=True, excluded=outage)
    plain = fit(times, values, FitOptions(), with_state=True)
    np.testing.assert_array_equal(told.shape.day, hidden.shape.day)
    assert told.state is not None
    assert plain.state is not None
    # What was judged is remembered as seen, and its outage has left no mark on the scale.
    assert told.state.seen.tolist() == plain.state.seen.tolist()
    assert told.state.usual[0] == pytest.approx(told.state.usual[1], rel=0.2)
    assert plain.state.usual[0] > told.state.usual[0]
