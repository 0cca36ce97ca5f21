"""One query that takes longer than its time-out, beside another: the other one has every tick in time."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.detector.faults.feeding import feeding, history, series
from tests.detector.faults.process import CONFIG, DetectorProcess, eventually, running
from tests.detector.faults.proxy import faulty_proxy
from tests.detector.faults.ticks import assert_gapless, newest, wait_for_ticks
from tests.servers.prometheus import running_prometheus

pytestmark = pytest.mark.integration

SLOW = '    slow: {{expr: \'label_replace(shop_rate, "a", "slow", "", "")\', step: 5m}}\n'
SERIES = 5


def test_one_slow_query_delays_no_other_and_is_made_up_for(tmp_path: Path) -> None:
    labels = series(SERIES)
    with ExitStack() as stack:
        server = stack.enter_context(
            running_prometheus(tmp_path / "prometheus", history=history(labels, time.time()))
        )
        stack.enter_context(feeding(server, labels))
        proxy = stack.enter_context(faulty_proxy(server.url))
        config = CONFIG.replace("schedulers:", SLOW + "schedulers:").replace("timeout: 2s", "timeout: 600ms")
        detector = DetectorProcess(tmp_path / "detector", config.format(url=proxy.url))
        stack.enter_context(running(detector))
        for alias in ("shop", "slow"):
            wait_for_ticks(server, 2, f'anomaly_score{{for="{alias}"}}')
        proxy.spoil("read", "hang", lambda params: '"slow"' in params.get("query", ""))
        errors = detector.metric("reads_total", query="slow", outcome="error")
        detector.wait_for_metric(
            "reads_total", lambda count: count >= errors + 4, query="slow", outcome="error"
        )
        late = []
        for _ in range(4):
            before = newest(server, 'anomaly_score{for="shop"}')
            eventually(lambda last=before: newest(server, 'anomaly_score{for="shop"}') > last, "a tick")  # type: ignore[misc]
            late.append(time.time() - newest(server, 'anomaly_score{for="shop"}'))
        assert min(late) < 0.6, "scores of the other query wait for the slow one"
        assert detector.metric("datasource_up") == 1
        assert newest(server, 'anomaly_score{for="slow"}') < before - 3
        proxy.heal()
        wait_for_ticks(server, 2, 'anomaly_score{for="slow"}')
        wait_for_ticks(server, 1, 'anomaly_score{for="shop"}')
        for alias in ("shop", "slow"):
            assert_gapless(server, SERIES, more=f'for="{alias}"')
        assert detector.metric("ticks_skipped_total") == 0
        assert detector.metric("samples_dropped_total") == 0
        said = f"query slow: query: {proxy.url}: no answer within 0.6 s"
        assert detector.log().count(said) == 1
        assert "query slow: query works again" in detector.log()
        assert "query shop: query: " not in detector.log()
