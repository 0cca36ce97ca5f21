"""The parts of the suite `service` measure what they say: a real detector, a data source that is made up."""

import json
import math
import mmap
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import suites
from benchmarks.servicing.assembly import Assembly, MovedClock, config_of
from benchmarks.servicing.memory import anonymous_mb
from benchmarks.servicing.series import METRIC, some_labels, values_at
from benchmarks.servicing.soak import BEGIN, CHURN, MadeUp, Sink
from benchmarks.servicing.ticks import report_ticks
from specter_detector.packing import decompress
from specter_detector.remote_write import Outcome
from tests.detector.write_request import read

SERIES = 200


class Kept(Sink):
    """A server that keeps what it takes."""

    def __init__(self) -> None:
        self.values: dict[tuple[tuple[str, str], ...], float] = {}

    def send(self, body: bytes, timeout: float) -> Outcome:
        for labels, samples in read(decompress(body)):
            self.values[labels] = samples[-1][0]
        return super().send(body, timeout)


def test_every_module_is_measured_once() -> None:
    assert "service" in suites()
    assert not {"reading", "writing", "store", "servicing"} & set(suites())


def test_values_are_the_same_at_each_call_and_near_what_is_learnt() -> None:
    one, two = values_at(BEGIN, 500), values_at(BEGIN, 500)
    np.testing.assert_array_equal(one, two)
    assert np.std(np.log(one)) == pytest.approx(0.05, rel=0.2)
    assert len(set(some_labels(1000, METRIC))) == 1000


def test_a_detector_of_the_real_pieces_scores_what_is_made_up_and_loses_what_goes(tmp_path: Path) -> None:
    clock, source, sink = MovedClock(), MadeUp(SERIES), Kept()
    clock.at = BEGIN
    config = config_of("http://127.0.0.1:9", SERIES)
    detector = Assembly(config, tmp_path, clock=clock, reader=source, sink=sink, begin=BEGIN, pause=0.0)
    with closing(detector):
        detector.tick(BEGIN)
        assert detector.job.counts["warming"] == SERIES
        detector.fit(BEGIN)
        for number in range(1, 4):
            clock.at = BEGIN + 15 * number
            parts = detector.tick(clock.at)
        assert detector.job.counts["scored"] == SERIES
        assert parts["tick"] == pytest.approx(sum(parts.values()) / 2)
        scores = [value for labels, value in sink.values.items() if ("__name__", "anomaly_score") in labels]
        assert len(scores) == SERIES
        assert np.mean(np.array(scores) < 1) > 0.99
        source.replace()
        clock.at = BEGIN + 60
        detector.tick(clock.at)
        gone = SERIES // CHURN
        assert detector.job.counts == {
            "scored": SERIES - gone, "warming": gone, "absent": gone, "invalid": 0, "over_limit": 0,
        }  # fmt: skip
        assert len(sink.values) == 4 * SERIES
        assert sum(math.isnan(value) for value in sink.values.values()) == 4 * gone
        detector.save_at_next_tick()
        clock.at = BEGIN + 75
        detector.tick(clock.at)
        detector.wait_until_saved()
    assert [path.suffix for path in tmp_path.rglob("*.learnt")] == [".learnt"]


@pytest.mark.integration
def test_ticks_beside_a_real_prometheus_are_reported_with_their_parts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report_ticks(300, "some", ticks=2, peer_ticks=1, memory=True)
    lines = {line["name"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    parts = ["read", "score", "encode", "write"]
    figures = ["s", *(f"{part}_s" for part in parts), "kept_s", "kept_remember_s", "first_s", "rss_mb"]
    assert list(lines) == [f"tick_some_{figure}" for figure in [*figures, "rss_saving_mb"]]
    assert lines["tick_some_s"]["baseline"] > 0
    assert 0 < lines["tick_some_read_s"]["value"] < lines["tick_some_s"]["value"]
    assert 20 < lines["tick_some_rss_mb"]["value"] < 1000


def test_memory_of_this_process_is_told() -> None:
    before = anonymous_mb()
    # Mapped, since an array may get memory that the process has had for long.
    with mmap.mmap(-1, 40_000_000, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as large:
        for page in range(0, len(large), mmap.PAGESIZE):
            large[page] = 1
        assert anonymous_mb() - before == pytest.approx(40, abs=3)
