"""Real exporters, a real Prometheus, the generated rules: what they read is exposed, and they fire."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import requests
from flask import Flask

from specter_alerts import promql
from specter_alerts.families import FAMILIES
from specter_alerts.settings import DEFAULTS
from specter_alerts.writer import render_rules
from specter_core import metrics
from specter_core.web import WebOptions, WebServer
from specter_exporters.app import Check, Health, Outgoing, SpecterFlask
from specter_exporters.app.outgoing_requests import measure_requests
from specter_exporters.business.running import AppExporter, Settings
from tests.servers.prometheus import Prometheus, free_port, running_prometheus

pytestmark = pytest.mark.integration

WITHIN = 30.0
TOKEN = "a-token-of-the-shop-0123456789"
# As shipped, but nobody waits.
AT_ONCE = replace(
    DEFAULTS,
    warning_for="0s",
    critical_for="0s",
    check_failed_for="0s",
    business_critical_for="0s",
    business_warning_for="0s",
)
OURS = ("application", "business")
EXPECTED = {
    ("OutgoingCallsFailing", "warning"),
    ("ExceptionsRising", "warning"),
    ("HealthCheckFailing", "warning"),
    ("QuotaNearlyUsedUp", "warning"),
    ("BusinessSuccessCritical", "critical"),
    ("BusinessSuccessLow", "warning"),
    ("BusinessEventsRejected", "warning"),
    ("BusinessRequestsRefused", "warning"),
}
# Only what runs an event loop has these; tests/exporters/test_app_asgi.py scrapes them.
OF_EVENT_LOOPS = {metrics.EVENT_LOOP_LAG.bucket, metrics.THREADPOOL_WAITING.name}


@dataclass
class Shop:
    """A Flask application whose vendor answers that hardly a call is left, and whose mail server is gone."""

    url: str
    session: requests.Session
    vendor: str
    gone: str

    def work(self) -> None:
        """Serve a request that fails, call the vendor, and call the one that is gone."""
        started = {"X-Request-Start": f"t={time.time():.3f}"}
        assert requests.get(f"{self.url}/broken", headers=started, timeout=WITHIN).status_code == 500
        assert self.session.get(self.vendor, timeout=WITHIN).status_code == 200
        with pytest.raises(requests.ConnectionError):
            self.session.get(self.gone, timeout=WITHIN)


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    server = WebServer(app, WebOptions("127.0.0.1", 0))
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def shop() -> Iterator[Shop]:
    vendor = Flask("vendor")

    @vendor.get("/")
    def limits() -> tuple[str, dict[str, str]]:
        return "", {"RateLimit-Limit": "100", "RateLimit-Remaining": "4", "RateLimit-Reset": "60"}

    app = Flask("shop")
    extension = SpecterFlask(app, service_name="shop", service_version="1.4.2", slots=8)

    @app.get("/broken")
    def broken() -> str:
        raise LookupError("no such basket")

    def unreachable() -> bool:
        return False

    Health([Check("mail", unreachable)], extension.recorder.registry)
    session = requests.Session()
    measure_requests(session, Outgoing(extension.recorder))
    with ExitStack() as stack:
        address = stack.enter_context(serving(vendor))
        url = stack.enter_context(serving(app))
        stack.callback(session.close)
        yield Shop(url, session, address, f"http://localhost:{free_port()}")


@pytest.fixture
def business(tmp_path: Path) -> Iterator[AppExporter]:
    (tmp_path / "shop.token").write_text(TOKEN, encoding="utf-8")
    settings = Settings(
        None, (f"shop={tmp_path / 'shop.token'}",), "127.0.0.1", 0, 50_000.0, None, tmp_path / "state"
    )
    exporter = AppExporter(settings, WebOptions("127.0.0.1", 0))
    exporter.start()
    try:
        yield exporter
    finally:
        exporter.stop()


def send(business: AppExporter, events: list[dict[str, object]], token: str = TOKEN) -> int:
    return requests.post(
        f"{business.events_url}/api/v1/events",
        json=events,
        headers={"Authorization": f"Bearer {token}"},
        timeout=WITHIN,
    ).status_code


@pytest.fixture
def prometheus(shop: Shop, business: AppExporter, tmp_path: Path) -> Iterator[Prometheus]:
    jobs = {"shop": shop.url, "business": business.metrics_url}
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["*.rules.yml"],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [{"targets": [url.split("/")[2]], "labels": {"service": "shop"}}],
            }
            for job, url in jobs.items()
        ],
    }
    rules = {f"{name}.rules.yml": render_rules(FAMILIES[name](AT_ONCE)) for name in OURS}
    with running_prometheus(tmp_path / "prometheus", config=json.dumps(config), files=rules) as server:
        yield server


def firing(prometheus: Prometheus) -> set[tuple[str, str]]:
    found = prometheus.query('ALERTS{alertstate="firing"}')
    return {(row["metric"]["alertname"], row["metric"]["severity"]) for row in found}  # type: ignore[index]


def read_by_the_rules() -> set[str]:
    """Return the metrics that the rules of both families read and do not record."""
    groups = [group for name in OURS for group in FAMILIES[name](DEFAULTS)]
    recorded = {rule.record for group in groups for rule in group.recordings}
    read = {
        node.name
        for group in groups
        for rule in group.rules
        for node, _ in promql.walk(promql.parse(rule.expr))
        if promql.kind(node) == "VectorSelector"
    }
    return read - recorded


def test_faults_of_an_application_and_of_its_business_fire_on_what_is_really_exposed(
    shop: Shop, business: AppExporter, prometheus: Prometheus
) -> None:
    payments: list[dict[str, object]] = [
        {"event": "payment", "outcome": "failed", "reason": "card_declined"},
        {"event": "payment", "outcome": "failed", "reason": "timeout"},
        {"event": "payment", "amount": 12.5, "currency": "EUR"},
    ]
    assert business.business.save()
    prometheus.wait_for(metrics.BUSINESS_OBJECTIVE_RATIO.name)
    deadline = time.monotonic() + WITHIN
    while not firing(prometheus) >= EXPECTED:
        assert time.monotonic() < deadline, EXPECTED - firing(prometheus)
        shop.work()
        assert send(business, payments) == 200
        assert send(business, [{"event": "paymant"}] * 5) == 422
        assert send(business, payments, "another-token-0123456789") == 401
    # What did not happen is not told.
    assert {name for name, _ in firing(prometheus)} == {name for name, _ in EXPECTED}
    [paging] = prometheus.query('ALERTS{alertstate="firing", severity="critical"}')
    assert paging["metric"]["event"] == "payment"  # type: ignore[index]
    exposed = {row["metric"]["__name__"] for row in prometheus.query('{job=~"shop|business"}')}  # type: ignore[index]
    assert read_by_the_rules() - exposed == OF_EVENT_LOOPS
