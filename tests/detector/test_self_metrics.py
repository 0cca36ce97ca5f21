"""A running detector's metrics about itself, beside a real Prometheus."""

import subprocess
import threading
from concurrent.futures import BrokenExecutor
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from specter_core.config import parse_config
from specter_core.exposition import WithoutCreated
from specter_detector import service
from specter_detector.config import resolve
from specter_detector.fitting import FitError, FitRequest, PoolFitter
from specter_detector.models.fit import FitOptions
from specter_detector.schema import DetectorSchema
from specter_detector.telemetry import Telemetry
from specter_stack.programs import find_program
from tests.detector.running import detector_of
from tests.detector.test_detector_service import CONFIG, eventually, running_service
from tests.servers.prometheus import running_prometheus


@pytest.mark.integration
def test_what_a_tick_and_a_fit_do_is_counted(tmp_path: Path) -> None:
    registry = CollectorRegistry()

    def value(name: str, **labels: str) -> float:
        return registry.get_sample_value(f"specter_detector_{name}", labels) or 0.0

    with running_prometheus(tmp_path / "prometheus") as prometheus:
        with running_service(prometheus.url, registry):
            prometheus.wait_for("anomaly_score")
            eventually(lambda: value("samples_written_total") > 0, "accepted samples")
        assert value("queries") == value("models") == 1
        assert value("model_runs_total", query="fifty", outcome="ok") > 0
        assert value("model_runs_total", query="fifty", outcome="error") == 0
        assert value("model_run_seconds_total", query="fifty") > 0
        assert value("read_request_duration_seconds_count", code="2xx") > 0
        assert value("read_request_duration_seconds_count", code="none") == 0
        assert value("read_bytes_total") > 100
        written = value("write_request_duration_seconds_count", outcome="ok")
        assert written == value("writes_total", outcome="ok") > 0
        assert value("sent_bytes_total") > 50 * written
        assert value("last_fit_timestamp_seconds", query="fifty") == pytest.approx(
            value("scheduler_last_loop_timestamp_seconds"), abs=60
        )
        assert registry.get_sample_value("specter_detector_anomalous_ratio", {"query": "fifty"}) == 0


@pytest.mark.integration
def test_the_loop_goes_round_while_no_tick_is_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BEAT", 0.05)
    registry = CollectorRegistry()

    def loops() -> float:
        return registry.get_sample_value("specter_detector_scheduler_last_loop_timestamp_seconds") or 0.0

    text = CONFIG.replace("infer_every: 1s", "infer_every: 1h")
    with running_prometheus(tmp_path / "prometheus") as prometheus:
        config = resolve(parse_config(text.format(url=prometheus.url), DetectorSchema, file="test"))
        detector = detector_of(config, registry=registry)
        stop = threading.Event()
        thread = threading.Thread(target=detector.service.run, args=(stop,))
        thread.start()
        try:
            eventually(lambda: loops() > 0, "the first loop")
            first = loops()
            eventually(lambda: loops() > first, "a second loop, an hour before the tick")
        finally:
            stop.set()
            thread.join(timeout=10)
            detector.close()


@pytest.mark.integration
def test_promtool_finds_nothing_in_the_exposition() -> None:
    registry = CollectorRegistry()
    telemetry = Telemetry(registry)
    telemetry.prepare(["load"], models=1, presets={"node": 3})
    telemetry.spooled(0, 0, persistent=True)
    checked = subprocess.run(
        [str(find_program("promtool")), "check", "metrics"],
        input=generate_latest(WithoutCreated(registry)),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


class BrokenPool:
    """Processes that end at once."""

    workers, executor = 2, "local"

    def __init__(self) -> None:
        self.replaced: list[bool] = []

    def submit(self, *_args: object, **_kwargs: object) -> "object":
        raise BrokenExecutor

    def replace(self, *, kill: bool) -> None:
        self.replaced.append(kill)

    def close(self) -> None:
        pass


def test_a_pool_that_dies_is_replaced_and_counted() -> None:
    registry, pool = CollectorRegistry(), BrokenPool()
    fitter = PoolFitter(pool, telemetry=Telemetry(registry))  # type: ignore[arg-type]
    rows = np.arange(2)
    times = np.arange(0.0, 3000.0, 300.0)
    request = FitRequest(times, lambda chosen: np.zeros((len(chosen), 10)), FitOptions(), rows[:0], rows)
    with pytest.raises(FitError, match="died"):
        list(fitter.fit_all(request))
    restarts = "specter_detector_fit_pool_restarts_total"
    assert registry.get_sample_value(restarts, {"reason": "died"}) == 1
    assert registry.get_sample_value(restarts, {"reason": "hung"}) == 0
    assert registry.get_sample_value("specter_detector_fit_workers", {"executor": "local"}) == 2
    assert pool.replaced == [False]
