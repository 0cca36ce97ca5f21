"""A real Prometheus scrapes an instrumented Flask application and answers about it."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from flask import Flask

from specter_core.web import WebOptions, WebServer
from specter_exporters.app import Recorder, WsgiMiddleware
from specter_stack.programs import find_program
from tests.exporters.driving import DURATION, TRACEPARENT, Timer

pytestmark = pytest.mark.integration

WITHIN = 30.0
CONFIG = """\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
  - job_name: shop
    static_configs:
      - targets: ["{target}"]
"""


def until(ask: Callable[[], Any], what: str) -> Any:
    """Poll `ask` until it answers something true; return that."""
    deadline = time.monotonic() + WITHIN
    while True:
        found = ask()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not happen within {WITHIN} s"
        time.sleep(0.1)


@pytest.fixture
def shop() -> Iterator[str]:
    """A Flask application on a real server, whose views take the time they are told to."""
    app = Flask("shop")
    timer = Timer()

    @app.get("/wait/<int:milliseconds>")
    def wait(milliseconds: int) -> str:
        timer.advance(milliseconds / 1000)
        return "done"

    recorder = Recorder(service_name="shop", service_version="1.4.2", timer=timer)
    middleware = WsgiMiddleware(app.wsgi_app, recorder, metrics_path="/metrics")
    server = WebServer(middleware, WebOptions("127.0.0.1", 0), threads=1)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def prometheus(shop: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a Prometheus that scrapes the shop."""
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG.format(target=shop.removeprefix("http://")), encoding="utf-8")
    command = [
        str(find_program("prometheus")),
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]
    log = tmp_path / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        port = until(lambda: listening_port(process), f"listening ({log.read_text()})")
        url = f"http://127.0.0.1:{port}"
        until(lambda: requests.get(f"{url}/-/ready", timeout=WITHIN).ok, "ready")
        yield url
    finally:
        process.terminate()
        try:
            process.wait(WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(WITHIN)


def listening_port(process: subprocess.Popen[bytes]) -> int | None:
    """Return the port that the system chose for `process`."""
    assert process.poll() is None, "prometheus has ended"
    ports = [
        connection.laddr.port
        for connection in psutil.Process(process.pid).net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    return ports[0] if ports else None


def query(prometheus: str, expression: str) -> dict[tuple[str, ...], float]:
    """Return an instant query's values by their labels' values, without the name and the target's labels."""
    response = requests.get(f"{prometheus}/api/v1/query", params={"query": expression}, timeout=WITHIN)
    hidden = {"__name__", "instance", "job"}
    return {
        tuple(value for name, value in sorted(series["metric"].items()) if name not in hidden): float(
            series["value"][1]
        )
        for series in response.json()["data"]["result"]
    }


def test_prometheus_answers_quantiles_versions_and_exemplars(shop: str, prometheus: str) -> None:
    with requests.Session() as session:
        session.get(f"{shop}/nowhere", timeout=WITHIN)
        session.get(f"{shop}/wait/300", headers={"traceparent": TRACEPARENT}, timeout=WITHIN)
        for milliseconds in [2000] * 2 + [40] * 18:
            session.get(f"{shop}/wait/{milliseconds}", timeout=WITHIN)

    counted = f'{DURATION}_count{{http_route="/wait/<int:milliseconds>"}}'
    counts = until(lambda: query(prometheus, f"{counted} == 21"), "the scrape")
    assert counts == {("GET", "200", "/wait/<int:milliseconds>"): 21.0}

    buckets = f"sum by (le) ({DURATION}_bucket{{http_route!=''}})"
    # 18 of 21 took 40 ms: the median is the 10.5th of the 18 in the bucket from 25 to 50 ms.
    median = query(prometheus, f"histogram_quantile(0.5, {buckets})")
    assert median[()] == pytest.approx(0.025 + 0.025 * 10.5 / 18)
    assert query(prometheus, "target_info") == {("shop", "1.4.2"): 1.0}
    assert query(prometheus, "http_server_active_requests") == {("GET",): 0.0}
    assert query(prometheus, f"{DURATION}_count{{http_route=''}}") == {("GET", "404"): 1.0}
    assert query(prometheus, 'count({__name__=~".*_created"})') == {}
    assert query(prometheus, "up") == {(): 1.0}

    exemplars = requests.get(
        f"{prometheus}/api/v1/query_exemplars",
        params={
            "query": f"{DURATION}_bucket",
            "start": str(time.time() - 3600),
            "end": str(time.time() + 60),
        },
        timeout=WITHIN,
    ).json()["data"]
    (found,) = [exemplar for series in exemplars for exemplar in series["exemplars"]]
    assert found["labels"] == {"trace_id": TRACEPARENT.split("-")[1], "span_id": TRACEPARENT.split("-")[2]}
    assert float(found["value"]) == pytest.approx(0.3)
