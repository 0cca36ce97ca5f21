"""Reloads while it ticks, a clean end, and a second process on the same folder."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from tests.detector.faults.feeding import feeding, history, series
from tests.detector.faults.process import CONFIG, DetectorProcess, eventually, running
from tests.detector.faults.ticks import OUTPUTS, assert_gapless, newest, wait_for_ticks
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.integration

SERIES = 5


@contextmanager
def scoring(folder: Path) -> Iterator[tuple[Prometheus, DetectorProcess]]:
    labels = series(SERIES)
    with ExitStack() as stack:
        server = stack.enter_context(
            running_prometheus(folder / "prometheus", history=history(labels, time.time()))
        )
        stack.enter_context(feeding(server, labels))
        detector = DetectorProcess(folder / "detector", CONFIG.format(url=server.url))
        stack.enter_context(running(detector))
        wait_for_ticks(server, 2)
        yield server, detector


def post_reload(detector: DetectorProcess) -> requests.Response:
    return requests.post(f"{detector.url}/-/reload", timeout=10)


def reload_in_a_loop(folder: Path, times: int) -> None:
    with scoring(folder) as (server, detector):
        text = detector.config_file.read_text()
        for number in range(times):
            detector.config_file.write_text(text.replace("infer_every", "infer_evry"))
            refused = post_reload(detector)
            assert refused.status_code >= 400
            assert "infer_evry" in refused.text
            assert detector.metric("config_last_reload_successful") == 0
            reloads = detector.metric("config_last_reload_success_timestamp_seconds")
            # Every other one changes something that the series have no part in.
            timeout = "timeout: 2s" if number % 2 else "timeout: 3s"
            detector.config_file.write_text(text.replace("timeout: 2s", timeout))
            if number % 2:
                assert post_reload(detector).status_code == 200
            else:
                detector.hangup()
            detector.wait_for_metric(
                "config_last_reload_success_timestamp_seconds",
                lambda at, before=reloads: at > before,  # type: ignore[misc]
            )
            assert detector.metric("config_last_reload_successful") == 1
            wait_for_ticks(server, 2)
        assert_gapless(server, SERIES)
        assert detector.metric("samples_dropped_total") == 0
        assert detector.metric("ticks_skipped_total") == 0
        log = detector.log()
        assert log.count("the configuration is not reloaded, the old one is kept") == times
        assert log.count("the configuration is reloaded") == times
        assert "Traceback" not in log


def test_reloads_cost_no_tick(tmp_path: Path) -> None:
    reload_in_a_loop(tmp_path, 2)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_many_reloads_cost_no_tick(tmp_path: Path) -> None:
    reload_in_a_loop(tmp_path, 30)


def test_a_clean_end_ends_the_outputs_and_the_processes_and_the_next_start_makes_up_for_it(
    tmp_path: Path,
) -> None:
    with scoring(tmp_path) as (server, detector):
        children = detector.children()
        assert children
        assert detector.terminate() == 0
        eventually(lambda: not any(child.is_running() for child in children), "its processes have ended")
        for name in OUTPUTS:
            assert server.values(name) == []
        last = newest(server)
        eventually(lambda: time.time() > last + 4, "ticks are missed")
        detector.start()
        wait_for_ticks(server, 2)
        assert "going on with 5 series" in detector.log()
        assert "missed ticks are made up for" in detector.log()
        ticks = assert_gapless(server, SERIES)
        assert ticks[-1] > last + 4
        assert detector.metric("samples_dropped_total") == 0
        assert "Traceback" not in detector.whole_log()


def test_a_second_process_on_the_same_folder_is_told_who_has_it(tmp_path: Path) -> None:
    with scoring(tmp_path) as (server, detector):
        config = detector.config_file.read_text()
        second = DetectorProcess(tmp_path / "second", config, storage=detector.storage)
        second.launch()
        assert second.wait() == 1
        assert f"{detector.storage} is in use by another detector (process {detector.pid})" in second.log()
        assert "Traceback" not in second.log()
        wait_for_ticks(server, 1)
        detector.kill()
        # Nothing is left of it that would keep the next one out.
        second.start()
        wait_for_ticks(server, 1)
        assert_gapless(server, SERIES)
        psutil.Process(second.pid).send_signal(signal.SIGINT)
        assert second.wait() == 0
