"""What real servers make of our writes: late, doubled and bad samples, an outage, staleness, and how fast."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from specter_detector.protobuf import Record, record_of
from specter_detector.series import Labels, labels_of
from tests.detector.records import written_of
from tests.detector.writing import Writing, realistic, writing_to
from tests.servers.prometheus import Prometheus, running_prometheus
from tests.servers.victoriametrics import running_victoriametrics

pytestmark = pytest.mark.integration

WINDOW = "storage: {tsdb: {out_of_order_time_window: 1h}}\n"


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running_prometheus(tmp_path_factory.mktemp("strict")) as server:
        yield server


@pytest.fixture(scope="module")
def tolerant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running_prometheus(tmp_path_factory.mktemp("tolerant"), config=WINDOW) as server:
        yield server


def now() -> float:
    return float(int(time.time()))


def series_of(name: str, count: int) -> list[Labels]:
    return [labels_of({"test": name, "i": str(number)}) for number in range(count)]


def stored(server: Prometheus, selector: str, seconds: int = 3600) -> dict[str, list[tuple[float, float]]]:
    """Return every sample of the last `seconds`, by label i."""
    rows = server.query(f"{selector}[{seconds}s]")
    found = {}
    for row in rows:
        pairs = [(float(at), float(value)) for at, value in row["values"]]  # type: ignore[attr-defined]
        found[row["metric"].get("i", "")] = pairs  # type: ignore[attr-defined]
    return found


def test_a_tick_sent_again_with_the_same_values_is_no_conflict(prometheus: Prometheus) -> None:
    at, series = now(), series_of("again", 20)
    for _ in range(2):
        with writing_to(prometheus.url) as writing:
            writing.tick(at, series, np.arange(20.0))
            assert writing.writer.flush(5)
            assert writing.count("samples_written_total") == 80
    assert stored(prometheus, 'anomaly_score{test="again"}')["7"] == [(at, 7.0)]


def test_one_conflicting_series_among_a_thousand_is_dropped_alone(
    prometheus: Prometheus, caplog: pytest.LogCaptureFixture
) -> None:
    """Prometheus rolls a whole request back for one duplicate with another value."""
    at, series = now(), series_of("conflict", 1000)
    with writing_to(prometheus.url, provided=("anomaly_score",)) as writing:
        writing.tick(at, series[700:701], np.array([5.0]))
        assert writing.writer.flush(5)
        writing.tick(at, series, np.full(1000, 2.0))
        assert writing.writer.flush(20)
        assert writing.count("samples_dropped_total", reason="conflict") == 1
        assert writing.count("samples_written_total") == 1000
        assert writing.count("last_tick_timestamp_seconds", query="q") == at
    assert prometheus.values('count(anomaly_score{test="conflict"} == 2)', at) == [999]
    assert "1 of 1000 samples refused, dropped: HTTP 400: duplicate sample for timestamp" in caplog.text


def test_what_is_out_of_order_is_counted_and_costs_the_others_nothing(prometheus: Prometheus) -> None:
    at = now()
    with writing_to(prometheus.url) as writing:

        def record(number: int, age: float) -> Record:
            return record_of((("__name__", "late"), ("i", str(number))), 1.0, at - age)

        writing.writer.enqueue("s", at, [written_of([record(0, 30)])])
        writing.writer.enqueue("s", at, [written_of([record(number, 60) for number in range(9)])])
        assert writing.writer.flush(5)
        assert writing.count("samples_dropped_total", reason="out_of_order") == 1
    assert prometheus.values("count(late)", at) == [9]


def test_the_out_of_order_window_keeps_late_samples_and_too_old_ones_are_given_up_at_once(
    tolerant: Prometheus,
) -> None:
    """Prometheus answers 500 to samples that are too old: a retry would go on for ever."""
    at = now()

    def records(age: float) -> list[Record]:
        return [record_of((("__name__", "late"), ("i", str(i))), age, at - age) for i in range(3)]

    with writing_to(tolerant.url) as writing:
        for age in (0.0, 1800.0, 7200.0):
            writing.writer.enqueue("s", at, [written_of(records(age))])
        started = time.monotonic()
        assert writing.writer.flush(20)
        assert time.monotonic() - started < 5
        assert writing.count("samples_dropped_total", reason="too_old") == 3
        assert writing.count("samples_written_total") == 6
    kept = stored(tolerant, "late", 3 * 3600)
    assert kept == {str(i): [(at - 1800, 1800.0), (at, 0.0)] for i in range(3)}


def test_staleness_markers_end_series_at_once(prometheus: Prometheus) -> None:
    at, series = now() - 20, series_of("stale", 2)
    with writing_to(prometheus.url) as writing:
        writing.tick(at, series, np.array([1.0, 2.0]))
        writing.tick(at + 10, series[:1], np.array([3.0]))
        assert writing.writer.flush(5)
    assert prometheus.values('sort(yhat{test="stale"})', at + 5) == [2.0, 3.0]
    assert prometheus.values('yhat{test="stale"}', at + 10) == [4.0]


def test_an_outage_of_thirty_ticks_and_a_restart_in_it_cost_nothing_and_double_nothing(
    tmp_path: Path,
) -> None:
    series = series_of("outage", 50)
    start = now() - 600
    ticks = [start + 15.0 * number for number in range(36)]
    sent = {at: np.arange(50.0) + at for at in ticks}

    def write(writing: Writing, part: list[float], *, delivered: bool) -> None:
        for at in part:
            writing.tick(at, series, sent[at])
            assert writing.writer.flush(20 if delivered else 0.05) == delivered

    with running_prometheus(tmp_path / "prometheus") as server:
        with writing_to(server.url, tmp_path / "spool") as writing:
            write(writing, ticks[:3], delivered=True)
            server.stop()
            write(writing, ticks[3:20], delivered=False)
            assert writing.writer.pending == 17 * 200
        with writing_to(server.url, tmp_path / "spool") as writing:
            assert writing.writer.last_tick("s") == ticks[19]
            write(writing, ticks[20:33], delivered=False)
            assert writing.count("spool_samples") == 30 * 200
            server.start()
            write(writing, ticks[33:], delivered=True)
            assert writing.count("samples_written_total") == 33 * 200
        for name, offset in (("anomaly_score", 0), ("yhat_upper", 3)):
            kept = stored(server, f'{name}{{test="outage"}}')
            assert kept == {str(i): [(at, sent[at][i] + offset) for at in ticks] for i in range(50)}


def test_victoria_metrics_takes_scores_and_staleness(tmp_path: Path) -> None:
    series = series_of("victoria", 100)
    at = now() - 30
    with running_victoriametrics(tmp_path / "vm") as victoria:
        url = victoria.url
        with writing_to(url, tmp_path / "spool") as writing:
            writing.tick(at, series, np.arange(100.0))
            writing.tick(at + 10, series[:99], np.arange(99.0))
            assert writing.writer.flush(10)
            assert writing.count("samples_written_total") == 400 + 400
        requests.get(f"{url}/internal/force_flush", timeout=10).raise_for_status()

        def count(moment: float) -> str:
            answer = requests.get(
                f"{url}/api/v1/query",
                params={"query": "count(yhat_upper)", "time": str(moment)},
                timeout=10,
            )
            value: str = answer.json()["data"]["result"][0]["value"][1]
            return value

        assert (count(at + 5), count(at + 12)) == ("100", "99")


def test_a_backlog_is_delivered_fast(tmp_path: Path) -> None:
    series = [realistic(number) for number in range(10_000)]
    start = now() - 300
    with (
        running_prometheus(tmp_path / "prometheus") as server,
        writing_to(server.url, tmp_path / "spool") as writing,
    ):
        writing.tick(start, series, np.arange(10_000.0))
        assert writing.writer.flush(60)
        for number in range(1, 11):
            writing.tick(start + 15 * number, series, np.arange(10_000.0) + number)
        began = time.monotonic()
        assert writing.writer.flush(60)
        rate = 400_000 / (time.monotonic() - began)
        print(f"{rate:.0f} samples/s")
        # The goal is 100,000; a machine that does other things too must not fail the test.
        assert rate > 20_000
