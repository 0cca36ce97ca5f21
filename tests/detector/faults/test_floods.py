"""A query that suddenly returns ten times the series: bounded, said, and the known ones go on."""

import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from specter_detector.series import Labels
from tests.detector.faults.feeding import NAME, feeding, history, series
from tests.detector.faults.process import CONFIG, DetectorProcess, running
from tests.detector.faults.ticks import assert_gapless, stamps, wait_for_ticks
from tests.servers.prometheus import running_prometheus

pytestmark = pytest.mark.integration

KNOWN = 200
LIMIT = 250
ALLOWED_MB = 60


def memory_mb(detector: DetectorProcess) -> float:
    """Return what the process, without those that fit, takes (MB)."""
    return float(psutil.Process(detector.pid).memory_info().rss) / 1e6


def flood(times: int) -> list[Labels]:
    """Return series that would all come before the known ones by name."""
    return [
        (("__name__", NAME), ("pod", f"a{number:06d}"), ("service", "another"))
        for number in range((times - 1) * KNOWN)
    ]


def test_ten_times_the_series_are_cut_and_the_known_ones_go_on(tmp_path: Path) -> None:
    labels = series(KNOWN)
    with ExitStack() as stack:
        server = stack.enter_context(
            running_prometheus(tmp_path / "prometheus", history=history(labels, time.time(), days=2))
        )
        feeder = stack.enter_context(feeding(server, labels))
        config = CONFIG.format(url=server.url).replace("max_age: 5s", f"max_age: 5s, max_series: {LIMIT}")
        detector = DetectorProcess(tmp_path / "detector", config)
        stack.enter_context(running(detector))
        detector.wait_for_metric("series", lambda known: known == KNOWN, query="shop", state="scored")
        wait_for_ticks(server, 3)
        before = memory_mb(detector)

        feeder.labels += flood(10)
        cut = 10 * KNOWN - LIMIT
        detector.wait_for_metric("series", lambda over: over == cut, query="shop", state="over_limit")
        wait_for_ticks(server, 4)
        assert detector.metric("series", query="shop", state="scored") == KNOWN
        assert detector.metric("series", query="shop", state="warming") == LIMIT - KNOWN
        assert memory_mb(detector) < before + ALLOWED_MB
        assert (
            f"query shop: limit: {cut} series beyond max_series_per_query are not watched" in detector.log()
        )

        del feeder.labels[KNOWN:]
        detector.wait_for_metric("series", lambda over: over == 0, query="shop", state="over_limit")
        detector.wait_for_line("query shop: limit works again")
        wait_for_ticks(server, 1)
        assert len(stamps(server)) == KNOWN
        assert_gapless(server, KNOWN, outputs=["anomaly_score"])
        assert detector.metric("ticks_skipped_total") == 0
        assert "Traceback" not in detector.log()
