"""Two detectors of one configuration: they contradict each other, unless each has a label of its own."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from specter_core.metrics import DETECTOR_REPLICA
from tests.detector.faults.feeding import feeding, history, series
from tests.detector.faults.process import CONFIG, DetectorProcess, running
from tests.detector.faults.ticks import assert_gapless, stamps, wait_for_ticks
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.integration

SERIES = 5
TICKS = 3
REASONS = ("conflict", "out_of_order")


@contextmanager
def two_of(
    folder: Path, environments: list[dict[str, str]]
) -> Iterator[tuple[Prometheus, list[DetectorProcess]]]:
    labels = series(SERIES)
    with ExitStack() as stack:
        server = stack.enter_context(
            running_prometheus(folder / "prometheus", history=history(labels, time.time()))
        )
        stack.enter_context(feeding(server, labels))
        detectors = []
        for number, environment in enumerate(environments):
            config = CONFIG.format(url=server.url)
            detector = DetectorProcess(folder / f"detector-{number}", config, environment=environment)
            detectors.append(stack.enter_context(running(detector)))
            detector.wait_until_saved()
            wait_for_ticks(server, TICKS)
        yield server, detectors


def test_two_writers_of_one_series_are_counted_and_said_and_neither_retries_for_ever(tmp_path: Path) -> None:
    with two_of(tmp_path, [{}, {}]) as (server, detectors):
        dropped = [
            {reason: each.metric("samples_dropped_total", reason=reason) for reason in REASONS}
            for each in detectors
        ]
        # What one has written the other cannot: whoever comes second at a tick.
        assert sum(sum(each.values()) for each in dropped) > 0
        for each in detectors:
            each.wait_for_metric("spool_samples", lambda waiting: waiting <= SERIES * 8)
        logs = "".join(each.log() for each in detectors)
        assert "samples refused, dropped: HTTP 400: duplicate sample for timestamp" in logs
        assert "another process writes the same series" in logs
        # One refusal is looked into by a few requests; then one a tick finds out whether it is over.
        ticks = sum(each.metric("tick_duration_seconds_count") for each in detectors)
        requests = sum(each.metric("writes_total") for each in detectors)
        assert requests < 9 * ticks + 60
        # Together they leave no gap.
        assert_gapless(server, SERIES)


def test_replicas_have_a_label_each_and_agree(tmp_path: Path) -> None:
    environments = [
        {
            "SPECTER_DETECTOR_SHARD_INDEX": f"detector-{number}",
            "SPECTER_DETECTOR_SHARD_COUNT": "1",
            "SPECTER_DETECTOR_SHARD_REPLICAS": "2",
        }
        for number in range(2)
    ]
    with two_of(tmp_path, environments) as (server, detectors):
        for number, each in enumerate(detectors):
            wait_for_ticks(server, TICKS, f'anomaly_score{{{DETECTOR_REPLICA}="{number}"}}')
            assert each.metric("samples_dropped_total") == 0
            assert each.metric("writes_total", outcome="rejected") == 0
            assert_gapless(server, SERIES, more=f'{DETECTOR_REPLICA}="{number}"')
        assert len(stamps(server)) == 2 * SERIES
