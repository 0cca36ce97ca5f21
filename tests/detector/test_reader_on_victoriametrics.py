"""The reader against a real VictoriaMetrics, which has no remote read and other ideas of staleness."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest
import requests

from specter_core.config import parse_config
from specter_detector.config import Query, resolve
from specter_detector.http import open_session
from specter_detector.reader import PrometheusReader, RefusedError
from specter_detector.schema import DetectorSchema
from specter_detector.series import labels_of
from tests.servers.victoriametrics import VictoriaMetrics, running_victoriametrics

pytestmark = pytest.mark.integration

UNICODE = 'İßẞ \u202e "q" },{"metric":{ \U0001f600'
STEP = 300
POINTS = 500


@pytest.fixture(scope="module")
def end() -> int:
    return int(time.time()) // STEP * STEP - 7200


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory, end: int) -> Iterator[VictoriaMetrics]:
    with running_victoriametrics(tmp_path_factory.mktemp("victoria")) as server:
        server.put(history(end))
        yield server


def history(end: int) -> Iterator[str]:
    """Yield gauges of 5 minutes and counters of 15 s; counter 1 ends 20 minutes before the end."""
    for number in range(300):
        for point in range(POINTS):
            labels = f'n="{number:03}",for="me",odd={json.dumps(UNICODE, ensure_ascii=False)}'
            yield f"gauge{{{labels}}} {number + point / 8} {(end - point * STEP) * 1000}"
    for number in range(3):
        for at in range(end - 3600, end - 1200 if number == 1 else end + 1, 15):
            yield f'count_total{{n="{number}"}} {(at - end + 3600) * (number + 1)} {at * 1000}'


@contextmanager
def reading(url: str, **keys: object) -> Iterator[tuple[PrometheusReader, Query]]:
    text = ", ".join(f"{key}: {value}" for key, value in keys.items())
    document = f"reader: {{datasource_url: '{url}', queries: {{q: {{{text}}}}}}}"
    config = resolve(parse_config(document, DetectorSchema, file="test"))
    with closing(PrometheusReader(config.reader, open_session(config.reader.connection))) as reader:
        yield reader, config.reader.queries["q"]


def test_history_of_a_selector_comes_by_range_queries_and_remote_read_is_tried_once(
    victoria: VictoriaMetrics, end: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    request = requests.Session.request

    def counted(session: requests.Session, method: str, url: str, **more: object) -> requests.Response:
        asked.append(url.removeprefix(victoria.url))
        return request(session, method, url, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(requests.Session, "request", counted)
    with reading(victoria.url, expr="gauge") as (reader, query):
        found = reader.history(query, end - (POINTS - 1) * STEP, end)
        first = list(asked)
        with_other_words = replace(query, expr="{__name__='gauge'}")
        other = reader.history(with_other_words, end - (POINTS - 1) * STEP, end)
        again = reader.history(query, end - (POINTS - 1) * STEP, end)
    assert found.values.shape == (300, POINTS)
    expected = np.arange(300)[:, None] + np.arange(POINTS)[None, ::-1] / 8
    np.testing.assert_array_equal(found.values, expected)
    np.testing.assert_array_equal(again.values, expected)
    np.testing.assert_array_equal(other.values, expected)
    assert dict(found.labels[7]) == {"__name__": "gauge", "n": "007", "for": "me", "odd": UNICODE}
    assert first[-1] == "/api/v1/query_range"
    assert asked[len(first) :] == ["/api/v1/query_range"] * 2


def test_a_moment_holds_what_is_there_and_not_what_has_vanished(victoria: VictoriaMetrics, end: int) -> None:
    gone = labels_of({"__name__": "count_total", "n": "1"})
    last = end - 1215
    with reading(victoria.url, expr="count_total", max_age="90s") as (reader, query):
        assert reader.instant(query, last + 60).samples[gone] == (3600 - 1215) * 2
        later = reader.instant(query, last + 120)
        assert [dict(labels)["n"] for labels in later.samples] == ["0", "2"]
        assert reader.instant(query, last + 120).samples.keys() == later.samples.keys()


def test_a_rate_ends_with_its_series(victoria: VictoriaMetrics, end: int) -> None:
    for expr in ("rate(count_total[5m])", "sum by (n) (rate(count_total[5m]))"):
        with reading(victoria.url, expr=f"'{expr}'") as (reader, query):
            alive, later = (reader.instant(query, end - 1215 + seconds) for seconds in (30, 120))
        rates = {dict(labels)["n"]: value for labels, value in alive.samples.items()}
        assert rates == {"0": pytest.approx(1), "1": pytest.approx(2), "2": pytest.approx(3)}
        assert [dict(labels)["n"] for labels in later.samples] == ["0", "2"]


def test_replayed_ticks_see_what_a_tick_would_have_seen(victoria: VictoriaMetrics, end: int) -> None:
    with reading(victoria.url, expr="'rate(count_total[5m])'") as (reader, query):
        times = np.arange(end - 1260, end - 960, 15.0)
        replayed = reader.range(query, float(times[0]), float(times[-1]), 15)
        ticks = [reader.instant(query, at) for at in times.tolist()]
    for labels, row in zip(replayed.labels, replayed.values, strict=True):
        seen = [tick.samples.get(labels, math.nan) for tick in ticks]
        np.testing.assert_allclose(row, seen)


def test_an_offset_moves_the_present_and_the_grid_stays(victoria: VictoriaMetrics, end: int) -> None:
    with reading(victoria.url, expr="'gauge{n=\"000\"}'", offset="600s", max_age="5m") as (reader, query):
        found = reader.history(query, end - 600, end)
        now = reader.instant(query, end)
    np.testing.assert_array_equal(found.times, [end - 600, end - 300, end])
    np.testing.assert_array_equal(found.values, [[4 / 8, 3 / 8, 2 / 8]])
    assert list(now.samples.values()) == [2 / 8]


def test_a_wrong_expression_is_refused_with_the_servers_words(victoria: VictoriaMetrics, end: int) -> None:
    with (
        reading(victoria.url, expr="'sum(1 +)'") as (reader, query),
        pytest.raises(RefusedError, match=r"422: .*sum\("),
    ):
        reader.instant(query, end)
