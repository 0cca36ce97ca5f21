"""`specter demo history` on a real shop, promtool and Prometheus, as docker-compose.yml runs it."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests

from specter_demo.settings import Settings
from specter_demo.traffic.shape import ROUTES, TrafficShape
from tests.demo.shop_server import RunningShop, running_shop
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = pytest.mark.integration
CONFIG = """
global: {scrape_interval: 5s, scrape_timeout: 4s, evaluation_interval: 5s}
storage: {tsdb: {out_of_order_time_window: 30d}}
scrape_configs: []
"""
RATE = 'service:http_server_requests:rate1m{service="shop"}'
COUNTERS = 'http_server_request_duration_seconds_count{job="shop", instance="shop-1", service="shop"}'
DAYS = 28


def history(shop: RunningShop, *arguments: str) -> str:
    command = [sys.executable, "-m", "specter_core", "demo", "history", *arguments]
    done = subprocess.run(
        command, env=shop.environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def expected_rate(settings: Settings, at: float) -> float:
    shape = TrafficShape.from_settings(settings)
    return sum(float(shape.rate(route, np.array([at]))[0]) for route in ROUTES)


def newest(server: Prometheus, series: str) -> float:
    (age,) = server.values(f"max(time() - timestamp({series}))")
    return age


def test_prometheus_starts_with_four_weeks_and_continues_them_up_to_now(tmp_path: Path) -> None:
    database = tmp_path / "server/data"
    with running_shop() as shop:
        nobody = "--prometheus-url=http://127.0.0.1:1"
        said = history(shop, "import", f"--database={database}", nobody)
        assert said == f"imported four weeks into {database}\n"
        said = history(shop, "import", f"--database={database}", nobody)
        assert said == f"{database} has its history already\n"
        with running_prometheus(tmp_path / "server", config=CONFIG) as server:
            blocks = {path.name for path in database.iterdir()}
            url = f"--prometheus-url={server.url}"
            assert history(shop, "import", f"--database={database}", url).startswith("Prometheus runs at")
            assert blocks <= {path.name for path in database.iterdir()}
            assert history(shop, "fill", url).startswith("filled the time since the last run: ")
            (count,) = server.values(f"count_over_time({RATE}[{DAYS}d])")
            assert count == pytest.approx(DAYS * 86400 / 15, abs=4)
            assert newest(server, RATE) < 20
            assert newest(server, COUNTERS) < 20
            (rate,) = server.values(f"sum(rate({COUNTERS}[1m]))")
            # A minute has about 500 to 1,400 requests: 4 standard deviations of chance are at most a fifth.
            assert rate == pytest.approx(expected_rate(shop.settings, time.time()), rel=0.25)
            assert server.values('target_info{job="shop", service_version="1.4.0"}') == [1.0]
            assert history(shop, "fill", url) == "the shop is being recorded: nothing to fill\n"
        # The shop that serves visitors was not asked: its counters stay theirs.
        assert "/search" not in requests.get(f"{shop.settings.url}/metrics", timeout=5).text
