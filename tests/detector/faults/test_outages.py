"""The server goes away for half a minute and comes back: every tick that has data is there, in order."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.detector.faults.feeding import feeding, history, series
from tests.detector.faults.process import CONFIG, DetectorProcess, eventually, running
from tests.detector.faults.ticks import OUTPUTS, assert_gapless, every_second, samples, stamps, wait_for_ticks
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.integration

SERIES = 5
AWAY = 30
MAX_AGE = 5.0
# A second query that has data at any time, whoever asks: of it nothing may be missing.
ALWAYS = '    always: {{expr: \'label_replace(vector(time() % 7), "a", "b", "", "")\', step: 5m}}\n'
BOTH = CONFIG.replace("schedulers:", ALWAYS + "schedulers:")


def with_data(server: Prometheus, first: float, last: float) -> list[float]:
    """Return the ticks at which there is a sample of the input that is young enough."""
    (fed, *_) = stamps(server, "shop_rate").values()
    ticks = every_second(first, last)
    return [at for at in ticks if any(at - MAX_AGE <= each <= at for each in fed)]


def test_ticks_of_an_outage_are_made_up_for_in_order(tmp_path: Path) -> None:
    labels = series(SERIES)
    with ExitStack() as stack:
        server = stack.enter_context(
            running_prometheus(tmp_path / "prometheus", history=history(labels, time.time()))
        )
        stack.enter_context(feeding(server, labels))
        detector = DetectorProcess(tmp_path / "detector", BOTH.format(url=server.url))
        stack.enter_context(running(detector))
        wait_for_ticks(server, 3, 'anomaly_score{for="shop"}')
        before = wait_for_ticks(server, 1, 'anomaly_score{for="always"}')
        server.stop()
        detector.wait_for_line("data source is down")
        detector.wait_for_metric("datasource_up", lambda up: up == 0)
        eventually(lambda: time.time() > before + AWAY, "half a minute", AWAY + 5)
        server.start()
        detector.wait_for_metric("datasource_up", lambda up: up == 1, 40)
        wait_for_ticks(server, 3, 'anomaly_score{for="shop"}')
        wait_for_ticks(server, 1, 'anomaly_score{for="always"}')
        detector.wait_for_metric("spool_samples", lambda waiting: waiting == 0)

        always = assert_gapless(server, 1, more='for="always"')
        assert always[0] <= before < before + AWAY < always[-1]
        for name in OUTPUTS:
            found = samples(server, f'{name}{{for="shop"}}')
            assert len(found) == SERIES
            for values in found.values():
                ticks = list(values)
                assert ticks == with_data(server, ticks[0], ticks[-1])
                assert ticks[0] < before < before + AWAY < ticks[-1]
        assert detector.metric("ticks_caught_up_total") >= AWAY - 3
        assert detector.metric("ticks_skipped_total") == 0
        assert detector.metric("samples_dropped_total") == 0
        lines = [line for line in detector.log().splitlines() if "data source is" in line]
        assert [line.rpartition("data source is ")[2].partition(",")[0] for line in lines] == [
            "up",
            "down",
            "up",
        ]
        assert "query always: " in detector.log()
        assert "missed ticks are made up for" in detector.log()
        assert "Traceback" not in detector.log()
