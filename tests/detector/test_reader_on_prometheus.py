"""The reader against a real Prometheus: its raw samples, ranges and moments, value by value."""

import datetime as dt
import math
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from specter_core.config import parse_config
from specter_detector import range_reader
from specter_detector.config import DetectorConfig, Query, resolve
from specter_detector.http import open_session
from specter_detector.packing import request
from specter_detector.protobuf import record_of
from specter_detector.range_reader import RangeReader
from specter_detector.reader import PrometheusReader
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.schema import DetectorSchema
from specter_detector.series import History, Labels, labels_of
from tests.servers.faulty import Request, faulty_server
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.integration

UNICODE = 'İßẞ \u202e "q" \\ },{"metric":{ \U0001f600'
SAMPLES = 400
STEP = 60
EXTERNAL = "global: {external_labels: {region: eu, replica: r1}}\nscrape_configs: []\n"


@pytest.fixture(scope="module")
def end() -> int:
    return int(time.time()) // 3600 * 3600 - 7200


def random_history(end: int) -> Iterator[str]:
    """Yield 12 series whose samples come 20 s to 8 min after each other, on the grid and off it."""
    rng = np.random.default_rng(7)
    yield "# TYPE odd gauge"
    for number in range(12):
        gaps = rng.choice([20.0, 59.5, 60.0, 60.125, 299.999, 300.0, 300.001, 480.0], SAMPLES)
        times = end - np.cumsum(gaps)[::-1]
        values = rng.choice([0.0, 1.5, math.nan, math.inf, -math.inf, 1e300, -0.1], SAMPLES)
        text = UNICODE.replace("\\", "\\\\").replace('"', '\\"')
        labels = f'n="{number}",for="me",odd="{text}"'
        for at, value in zip(times.tolist(), values.tolist(), strict=True):
            yield f"odd{{{labels}}} {written(value)} {at:.3f}"
    yield "# TYPE steps counter"
    for number in range(30):
        for at in range(end - 7200, end - 1200 if number == 1 else end + 1, 15):
            yield f'steps_total{{n="{number:02}"}} {(at - end + 7200) * (number + 1)} {at}'


def written(value: float) -> str:
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else repr(value))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, end: int) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    with running_prometheus(folder, history=random_history(end), config=EXTERNAL) as server:
        yield server


def config_of(url: str, **keys: object) -> DetectorConfig:
    text = ", ".join(f"{key}: {value}" for key, value in {"expr": "odd", **keys}.items())
    document = f"reader: {{datasource_url: '{url}', queries: {{q: {{{text}}}}}}}"
    return resolve(parse_config(document, DetectorSchema, file="test"))


@contextmanager
def reading(url: str, **keys: object) -> Iterator[tuple[PrometheusReader, Query]]:
    config = config_of(url, **keys)
    with closing(PrometheusReader(config.reader, open_session(config.reader.connection))) as reader:
        yield reader, config.reader.queries["q"]


def by_the_api(
    server: Prometheus, expr: str, start: float, end: float, step: float, offset: float = 0
) -> dict[Labels, dict[float, float]]:
    """Ask the query API plainly, and return the values by series and time."""
    found: dict[Labels, dict[float, float]] = {}
    rows: list[Any] = server.query_range(expr, start - offset, end - offset, step)
    for row in rows:
        found[labels_of(row["metric"])] = {float(at) + offset: float(value) for at, value in row["values"]}
    return found


def assert_same(history: History, expected: dict[Labels, dict[float, float]]) -> None:
    assert set(history.labels) == set(expected)
    for labels, values in zip(history.labels, history.values, strict=True):
        there = [expected[labels].get(at, math.nan) for at in history.times.tolist()]
        np.testing.assert_array_equal(values, there)


@pytest.fixture
def raw_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure that a test reads raw samples, and no range."""
    monkeypatch.setattr(range_reader, "WORTH_RAW", 0)
    monkeypatch.setattr(range_reader, "MOST_SAMPLES_A_STEP", math.inf)
    monkeypatch.delattr(RangeReader, "_range")


@pytest.mark.parametrize(("step", "offset"), [(300, 0), (60, 0), (45, 7), (240, 1800)])
def test_raw_samples_on_the_grid_are_what_the_query_api_answers(
    prometheus: Prometheus, end: int, raw_only: None, step: int, offset: int
) -> None:
    start = end - 12 * 3600
    # Prometheus 2.42 looks back five minutes, whatever it is asked.
    with reading(prometheus.url, max_age="5m", offset=f"{offset}s") as (reader, query):
        history = reader.range(query, start, end, step)
    assert history.values.shape == (12, (end - start) // step + 1)
    assert_same(history, by_the_api(prometheus, "odd", start, end, step, offset))
    assert np.isinf(history.values).any()


def test_raw_samples_read_in_many_pieces_are_the_same(
    prometheus: Prometheus, end: int, raw_only: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("specter_detector.pieces.VALUES", 500)
    with reading(prometheus.url, max_age="5m", step="60s") as (reader, query):
        history = reader.history(query, end - 8 * 3600, end)
    assert_same(history, by_the_api(prometheus, "odd", end - 8 * 3600, end, 60))


def test_an_expression_read_in_many_pieces_is_what_the_query_api_answers(
    prometheus: Prometheus, end: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("specter_detector.pieces.VALUES", 2000)
    with reading(prometheus.url, expr="'rate(steps_total[5m])'", step="3m", offset="20s") as (reader, query):
        history = reader.history(query, end - 7000, end)
    expected = by_the_api(prometheus, "rate(steps_total[5m])", end - 6840, end, 180, 20)
    assert_same(history, expected)
    assert np.nanmax(history.values) == pytest.approx(30.0)


def test_a_selector_is_not_read_raw_where_a_label_could_be_the_servers_own(
    prometheus: Prometheus, end: int
) -> None:
    with requests.Session() as session:
        own = labels_of({"__name__": "odd_region", "region": "eu", "n": "1"})
        others = labels_of({"__name__": "odd_region", "region": "us"})
        sent = [record_of(labels, 4.0, end + 30) for labels in (own, others)]
        assert RemoteWriteClient(prometheus.url, session).send(request(sent), 5).kind == "ok"
    with reading(prometheus.url, expr="odd_region", step="60s") as (reader, query):
        history = reader.range(query, end, end + 60, 30)
    assert history.labels == (own, others)
    with reading(prometheus.url, expr='\'{__name__="odd_region",region="eu"}\'') as (reader, query):
        history = reader.range(query, end, end + 60, 30)
    assert history.labels == (own,)


def test_a_staleness_marker_ends_a_series_at_once(prometheus: Prometheus, end: int, raw_only: None) -> None:
    labels = labels_of({"__name__": "ended"})
    with requests.Session() as session:
        client = RemoteWriteClient(prometheus.url, session)
        for at, value in ((end + 30, 0.0), (end + 60, 2.0), (end + 90, None), (end + 150, math.nan)):
            assert client.send(request([record_of(labels, value, at)]), 5).kind == "ok"
    with reading(prometheus.url, expr="ended", step="30s", max_age="5m") as (reader, query):
        history = reader.range(query, end + 30, end + 150, 30)
    np.testing.assert_array_equal(history.values, [[0.0, 2.0, *[math.nan] * 3]])
    expected = by_the_api(prometheus, "ended", end + 30, end + 150, 30)
    assert_same(history, expected)
    ((*_, last),) = (values.items() for values in expected.values())
    np.testing.assert_equal(last, (float(end + 150), math.nan))


def test_replayed_ticks_see_what_a_tick_would_have_seen(prometheus: Prometheus, end: int) -> None:
    """Series 01 ended 20 minutes before the end; a plain query would show it for five more."""
    for expr, last in (("steps_total", 15 * 6), ("rate(steps_total[5m])", 15 * 6)):
        with reading(prometheus.url, expr=f"'{expr}'", max_age="90s") as (reader, query):
            times = np.arange(end - 1260, end - 1260 + 300, 15.0)
            replayed = reader.range(query, float(times[0]), float(times[-1]), 15)
            ticks = [reader.instant(query, at) for at in times.tolist()]
        for labels, row in zip(replayed.labels, replayed.values, strict=True):
            seen = [tick.samples.get(labels, math.nan) for tick in ticks]
            np.testing.assert_array_equal(row, seen)
        gone = next(i for i, labels in enumerate(replayed.labels) if dict(labels)["n"] == "01")
        alive = times[np.isfinite(replayed.values[gone])]
        assert end - 1215 + last <= alive[-1] <= end - 1215 + last + 15


def test_a_total_over_series_that_all_vanished_vanishes_too(prometheus: Prometheus, end: int) -> None:
    expr = "'sum by (n) (rate(steps_total{n=~\"0[12]\"}[5m])) / 2'"
    with reading(prometheus.url, expr=expr) as (reader, query):
        alive = reader.instant(query, end - 1215)
        later = reader.instant(query, end - 1215 + 120)
    assert {dict(labels)["n"]: value for labels, value in alive.samples.items()} == {
        "01": pytest.approx(1.0),
        "02": pytest.approx(1.5),
    }
    assert {dict(labels)["n"] for labels in later.samples} == {"02"}


def test_moments_have_every_label_and_value_and_the_same_objects_again(
    prometheus: Prometheus, end: int
) -> None:
    with reading(prometheus.url, expr="odd", max_age="5m", offset="90s") as (reader, query):
        first, second = reader.instant(query, end + 60), reader.instant(query, end + 60)
    expected = {
        labels_of(row["metric"]): float(row["value"][1])  # type: ignore[arg-type, index]
        for row in prometheus.query("odd", end - 30)
    }
    assert {dict(labels)["odd"] for labels in first.samples} == {UNICODE}
    np.testing.assert_equal(dict(first.samples), expected)
    known = {labels: labels for labels in first.samples}
    assert all(known[labels] is labels for labels in second.samples)


def test_a_query_has_a_limit_of_its_own_and_the_cut_is_counted(prometheus: Prometheus, end: int) -> None:
    known = labels_of({"__name__": "steps_total", "n": "29"})
    with reading(prometheus.url, expr="steps_total", max_series=3, max_age="5m") as (reader, query):
        vector = reader.instant(query, end, {known})
        history = reader.history(query, end - 3600, end, {known})
        raw = reader.range(query, end - 600, end, 60, [known])
    assert [dict(labels)["n"] for labels in vector.samples] == ["29", "00", "02"]  # 01 is gone
    assert vector.cut == 26
    assert [dict(labels)["n"] for labels in history.labels] == ["29", "00", "01"]
    assert history.cut == 27
    assert [dict(labels)["n"] for labels in raw.labels] == ["29", "00", "02"]
    assert raw.cut == 26


def test_an_expression_longer_than_a_url_is_sent_as_a_form(prometheus: Prometheus, end: int) -> None:
    names = "|".join(f"name{i:05}" for i in range(2000))
    with reading(prometheus.url, expr=f"'sum(steps_total{{n!~\"{names}\"}})'") as (reader, query):
        assert len(reader.instant(query, end).samples) == 1
        assert reader.history(query, end - 600, end).values.shape == (1, 3)


def test_a_piece_that_is_too_much_for_the_server_is_asked_for_in_smaller_ones(
    tmp_path: Path, end: int
) -> None:
    with running_prometheus(tmp_path / "p", history=random_history(end), start=False) as server:
        # A server that loads at most 2,000 samples at a time.
        server.flags = ("--query.max-samples=2000",)
        server.start()
        with reading(server.url, expr="'sum by (n) (rate(steps_total[1m]))'", step="60s") as (reader, query):
            history = reader.history(query, end - 3600, end)
    assert history.values.shape == (30, 61)
    assert np.isfinite(history.values[0]).all()
    assert dt.timedelta(seconds=history.times[-1] - history.times[0]) == dt.timedelta(hours=1)


def test_raw_samples_beyond_the_servers_limit_are_asked_for_in_smaller_pieces(
    tmp_path: Path, end: int, raw_only: None
) -> None:
    with running_prometheus(tmp_path / "p", history=random_history(end), start=False) as server:
        server.flags = ("--storage.remote.read-sample-limit=2000",)
        server.start()
        with reading(server.url, expr="steps_total", step="60s", max_age="5m") as (reader, query):
            history = reader.history(query, end - 3600, end)
        assert_same(history, by_the_api(server, "steps_total", end - 3600, end, 60))
    assert history.values.shape == (30, 61)


@pytest.mark.parametrize("hidden", ["/api/v1/read", "/api/v1/status/config", "/api/v1/status/buildinfo"])
def test_behind_a_proxy_that_hides_what_raw_samples_need_ranges_are_read(
    prometheus: Prometheus, end: int, hidden: str
) -> None:
    def respond(request: Request) -> None:
        if request.path == hidden:
            request.answer(b"forbidden", 403)
            return
        with requests.Session() as session:
            answer = session.get(prometheus.url + request.path, params=dict(request.params), timeout=10)
        request.answer(answer.content, answer.status_code)

    with faulty_server(respond) as server, reading(server.url, max_age="5m") as (reader, query):
        first = reader.range(query, end - 600, end, 60)
        before = len(server.asked)
        second = reader.range(query, end - 600, end, 60)
    expected = by_the_api(prometheus, "odd", end - 600, end, 60)
    for history in (first, second):
        assert_same(history, expected)
    assert [request.path for request in server.asked[before:]] == ["/api/v1/query_range"]
