"""kill -9 of the whole detector: no gap, nothing twice, no warm-up, no history read again."""

import time
from contextlib import ExitStack
from pathlib import Path
from random import Random

import psutil
import pytest

from tests.detector.faults.feeding import feeding, history, series
from tests.detector.faults.process import CONFIG, DetectorProcess, eventually, running
from tests.detector.faults.proxy import Asked, FaultyProxy, faulty_proxy
from tests.detector.faults.ticks import assert_gapless, newest, wait_for_ticks
from tests.servers.prometheus import running_prometheus

pytestmark = pytest.mark.integration

SERIES = 5


def old_history(proxy: FaultyProxy, before: float) -> list[Asked]:
    """Return the requests for input older than Unix time `before` (s)."""
    ranges = [asked for asked in proxy.asked if "shop_rate" in asked.params.get("query", "")]
    return [asked for asked in ranges if float(asked.params.get("start", before)) < before]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


def kill_in_a_loop(folder: Path, times: int, seed: int) -> None:
    random = Random(seed)
    labels = series(SERIES)
    began = time.time()
    with ExitStack() as stack:
        server = stack.enter_context(
            running_prometheus(folder / "prometheus", history=history(labels, began))
        )
        stack.enter_context(feeding(server, labels))
        proxy = stack.enter_context(faulty_proxy(server.url))
        detector = DetectorProcess(folder / "detector", CONFIG.format(url=proxy.url))
        stack.enter_context(running(detector))
        detector.wait_until_saved()
        wait_for_ticks(server, 2)
        assert len(old_history(proxy, began - 86400)) == 1
        proxy.asked.clear()
        for _ in range(times):
            before = newest(server)
            eventually(lambda last=before: newest(server) > last, "a tick")  # type: ignore[misc]
            time.sleep(random.uniform(0.0, 1.2))  # a random moment, which is no condition to wait for
            children = detector.children()
            detector.kill()
            eventually(lambda those=children: gone(those), "its processes have ended")  # type: ignore[misc]
            detector.start()
            if random.random() < 0.2:
                continue  # while it starts, and catches up
            wait_for_ticks(server, 1)
            assert "going on with 5 series" in detector.log()
            detector.wait_for_metric("series", lambda known: known == SERIES, query="shop", state="scored")
            assert detector.metric("samples_dropped_total") == 0
        wait_for_ticks(server, 2)
        ticks = assert_gapless(server, SERIES)
        assert len(ticks) > times  # each run but those cut short at once wrote one
        assert detector.metric("samples_dropped_total") == 0
        assert detector.metric("ticks_caught_up_total") >= 1
        assert "refused" not in detector.whole_log()
        assert "Traceback" not in detector.whole_log()
        # Ticks are made up for, and the columns since then; the two days are not asked for again.
        assert old_history(proxy, began - 900) == []


def test_a_detector_killed_a_few_times_leaves_neither_gap_nor_conflict(tmp_path: Path) -> None:
    kill_in_a_loop(tmp_path, 3, seed=1)


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [2, 3])
def test_a_detector_killed_in_a_loop_leaves_neither_gap_nor_conflict(tmp_path: Path, seed: int) -> None:
    kill_in_a_loop(tmp_path, 25, seed)
