"""A full disk under what has been learnt and under the spool: no tick is lost, it is said, and it mends."""

import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.detector.faults.feeding import feeding, history, series
from tests.detector.faults.process import CONFIG, DetectorProcess, eventually, running
from tests.detector.faults.ticks import assert_gapless, newest, wait_for_ticks
from tests.servers.disks import fill, small_disk
from tests.servers.prometheus import running_prometheus

pytestmark = pytest.mark.integration

SERIES = 100
SIZE = 8 << 20


def test_a_disk_that_is_full_costs_no_tick_and_is_used_again(tmp_path: Path) -> None:
    labels = series(SERIES)
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", SIZE))
        server = stack.enter_context(
            running_prometheus(tmp_path / "prometheus", history=history(labels, time.time()))
        )
        stack.enter_context(feeding(server, labels))
        config = CONFIG.format(url=server.url)
        detector = DetectorProcess(tmp_path / "detector", config, storage=disk / "data")
        stack.enter_context(running(detector))
        detector.wait_until_saved()
        wait_for_ticks(server, 2)

        filler = fill(disk)
        detector.wait_for_metric("storage_errors_total", lambda errors: errors >= 2, what="spool")
        detector.wait_for_metric("spool_persistent", lambda persistent: persistent == 0)
        wait_for_ticks(server, 2)
        # What was delivered meanwhile is known to the next process.
        detector.kill()
        detector.start()
        wait_for_ticks(server, 2)
        assert detector.metric("samples_dropped_total") == 0
        # A reload ends one detector and begins the next: what was learnt goes from one to the other.
        saves = detector.metric("saves_total", outcome="error")
        detector.hangup()
        detector.wait_for_metric("saves_total", lambda errors: errors > saves, outcome="error")
        detector.wait_for_line("what has been learnt is not saved: ")
        wait_for_ticks(server, 3)
        assert detector.metric("storage_errors_total", what="state") >= 1
        assert detector.metric("samples_dropped_total") == 0
        detector.wait_for_metric("spool_persistent", lambda persistent: persistent == 0)

        filler.unlink()
        detector.wait_for_metric("spool_persistent", lambda persistent: persistent == 1)
        detector.wait_for_line("can be written to again")
        saved = detector.metric("saves_total", outcome="ok")
        detector.hangup()
        detector.wait_for_metric("saves_total", lambda saves: saves > saved, outcome="ok")
        detector.wait_for_line("what has been learnt is saved again")
        wait_for_ticks(server, 2)
        # What is on the disk is whole: the next process goes on from it.
        detector.kill()
        detector.start()
        last = newest(server)
        eventually(lambda: newest(server) >= last + 2, "ticks")
        assert "going on with 100 series" in detector.log()
        wait_for_ticks(server, 1)
        assert_gapless(server, SERIES)
        assert detector.metric("samples_dropped_total") == 0
        assert "No space left on device" in detector.whole_log()
        assert "Traceback" not in detector.whole_log()


def test_a_detector_that_starts_on_a_full_disk_says_so(tmp_path: Path) -> None:
    with ExitStack() as stack:
        disk = stack.enter_context(small_disk(tmp_path / "disk", SIZE))
        fill(disk)
        config = CONFIG.format(url="http://127.0.0.1:1")
        detector = DetectorProcess(tmp_path / "detector", config, storage=disk / "data")
        detector.launch()
        assert detector.wait() == 1
        assert f"{disk / 'data'}" in detector.log()
        assert os.strerror(28) in detector.log()
        assert "Traceback" not in detector.log()
