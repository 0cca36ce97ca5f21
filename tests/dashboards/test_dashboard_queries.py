"""Every query of every panel on a real Prometheus: it is accepted, and it finds what is there."""

import http.server
import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from specter_core import metrics
from specter_dashboards import (
    application_queries,
    business_queries,
    hosts_queries,
    integrity_queries,
    jobs_queries,
    queues_queries,
)
from specter_dashboards.database_queries import (
    dead_share,
    hit_ratio,
    statement_mean,
    statement_time,
    unreachable,
    usable,
)
from specter_dashboards.detector_queries import (
    anomalous_ratio,
    cpu,
    of_process,
    oldest_scores,
    top_scores,
    up,
)
from specter_dashboards.frontend_queries import good, needs_improvement, poor, refused_share, worst
from specter_dashboards.logs_queries import failing_routes, newest_templates
from specter_dashboards.queries import anomalous_value, firing, highest_score, of_slowest_routes
from specter_dashboards.signin_queries import (
    accounts_of_top_sources,
    count_suspected,
    suspected,
    top_sources,
)
from specter_dashboards.writer import DASHBOARDS, build
from specter_stack.programs import find_program
from tests.dashboards import checked_data, databases, hosts, jobs, queues, signin_and_logs
from tests.dashboards.board import expressions, substitute

STARTED = time.monotonic()
GAUGES = {
    **signin_and_logs.GAUGES,
    **hosts.GAUGES,
    **databases.GAUGES,
    **checked_data.GAUGES,
    **queues.GAUGES,
    **jobs.GAUGES,
    'ALERTS{alertname="Watchdog",alertstate="firing",severity="none"}': 1,
    'ALERTS{alertname="LatencyHigh",alertstate="firing",severity="warning"}': 1,
    'ALERTS{alertname="ErrorRatioHigh",alertstate="pending",severity="warning"}': 1,
    'ALERTS{alertname="DeploymentStarted",alertstate="firing",severity="info"}': 1,
    'anomaly_score{for="request_rate",model_alias="m"}': 0.3,
    'anomaly_score{for="latency_p95",model_alias="m"}': 4.5,
    # Two detectors watch it.
    **{
        f'anomaly_score{{for="route_latency_p95",http_route="/search",model_alias="m",{replica}}}': score
        for replica, score in (('detector_replica="0"', 6), ('detector_replica="1"', 5))
    },
    **{
        f'service_page_device:specter_web_vitals_{vital}:{what}{{page="/",device="{device}"}}': value
        for vital in ("lcp_seconds", "inp_seconds", "cls", "fcp_seconds", "ttfb_seconds")
        for what, values in (
            ("p75_rate5m", (0.3, 0.9)),
            ("count_increase5m", (40, 60)),
            ("good_ratio_rate5m", (0.7, 0.5)),
            ("poor_ratio_rate5m", (0.1, 0.2)),
        )
        for device, value in zip(("desktop", "mobile"), values, strict=True)
    },
    'service_instance:http_server_active_requests:ratio_slots{job="shop"}': 0.4,
    "service:specter_http_server_queue_duration_seconds:p95_rate5m": 0.02,
    'service_instance:specter_event_loop_lag_seconds:p95_rate5m{job="shop"}': 0.01,
    'http_server_active_requests{http_request_method="GET"}': 2,
    "specter_http_server_slots": 8,
    "specter_http_server_workers": 2,
    "specter_threadpool_busy_threads": 1,
    "specter_threadpool_max_threads": 40,
    "specter_threadpool_waiting_requests": 0,
    "process_start_time_seconds": time.time() - 100,
    'specter_health_check_up{check="database"}': 1,
    'specter_health_check_up{check="mail"}': 0,
    'specter_health_check_duration_seconds{check="database"}': 0.003,
    **{
        f'service_server:{name}{{server_address="pay.example.org"}}': value
        for name, value in (
            ("http_client_requests:rate5m", 2),
            ("http_client_errors:ratio_rate5m", 0.5),
            ("http_client_request_duration_seconds:p95_rate5m", 0.8),
            ("specter_http_client_ratelimit:ratio_remaining", 0.42),
        )
    },
    'specter_http_client_ratelimit_reset_timestamp_seconds{server_address="pay.example.org"}': 4e9,
    **{
        f'service_event_outcome:specter_business_events:increase{window}{{event="payment",{outcome}}}': value
        for window in ("5m", "15m", "1h")
        for outcome, value in (('outcome="success"', 18), ('outcome="failed"', 2))
    },
    **{f'service_event:specter_business_success:ratio{w}{{event="payment"}}': 0.9 for w in ("5m", "1h")},
    'service_funnel_event:specter_business_funnel_entrants:increase6h{funnel="f",event="payment"}': 40,
    'service_funnel_event:specter_business_funnel_conversion:ratio6h{funnel="f",event="payment"}': 0.5,
    'specter_business_objective_success_ratio{event="payment"}': 0.98,
    'specter_business_objective_events_per_second{event="payment"}': 5 / 3600,
    'specter_business_active_users{period="day"}': 120,
    'specter_business_feature_users{feature="quests",period="day"}': 12,
    "specter_business_active_sessions": 9,
    'specter_business_retention_ratio{days="7"}': 0.3,
    'specter_business_retention_cohort_users{days="7"}': 80,
    "service:http_server_requests:rate1m": 12,
    "service:http_server_errors:ratio_rate1m": 0.02,
    'service_route:http_server_requests:rate1m{http_route="/search"}': 3,
    'service_route:http_server_requests:rate1m{http_route="/cart"}': 9,
    'service_route:http_server_errors:ratio_rate1m{http_route="/search"}': 0,
    'service_version:target_info:new5m{service_version="1.1"}': 1,
    'target_info{service_version="1.1"}': 1,
    'specter_detector_series{query="request_rate",state="scored"}': 1,
    'specter_detector_series{query="request_rate",state="absent"}': 0,
    "specter_detector_datasource_up": 1,
    "specter_detector_clock_ahead_seconds": 0.2,
    'specter_detector_series{query="request_rate",state="warming"}': 2,
    'specter_detector_series{query="request_rate",state="over_limit"}': 0,
    'specter_detector_anomalous_ratio{query="request_rate"}': 0.25,
    'specter_detector_build_info{version="1.0",python_version="3.11"}': 1,
    "specter_detector_config_last_reload_successful": 1,
    "specter_detector_queries": 1,
    "specter_detector_models": 1,
    'specter_detector_preset_queries{preset="node"}': 12,
    'specter_detector_exclusion_windows{kind="deployment"}': 1,
    'specter_detector_fit_workers{executor="local"}': 1,
    'specter_detector_fit_duration_seconds{query="request_rate"}': 1.5,
    "specter_detector_save_duration_seconds": 0.1,
    "specter_detector_spool_samples": 0,
    "specter_detector_spool_bytes": 0,
    "specter_detector_spool_persistent": 1,
    'ALERTS{alertname="DependencyDown",alertstate="firing",severity="none",dependency="pay"}': 1,
    'specter_dependency_info{dependency="pay",criticality="critical"}': 1,
    **{
        f'{name}{{dependency="pay"}}': value
        for name, value in (
            ("probe_success", 1),
            ("probe_duration_seconds", 0.2),
            ("probe_ssl_earliest_cert_expiry", 4e9),
            ("specter_dependency_latency_limit_seconds", 2),
            ("specter_dependency_tls_expiry_warning_seconds", 1209600),
            ("specter_dependency_check_success", 1),
            ("specter_dependency_check_duration_seconds", 0.3),
            ("specter_dependency_credential_valid", 1),
            ("specter_dependency_credential_expiry_timestamp_seconds", 4e9),
            ("specter_dependency_status_page_up", 1),
            ("specter_dependency_unresolved_incidents", 1),
        )
    },
    'specter_dependency_step_success{dependency="pay",step="orders"}': 1,
    'specter_dependency_step_duration_seconds{dependency="pay",step="orders"}': 0.1,
    'specter_dependency_failure{dependency="pay",kind="credential",step="",reason="timeout"}': 1,
    'specter_dependency_vendor_status{dependency="pay",indicator="none"}': 0,
    'specter_dependency_vendor_status{dependency="pay",indicator="major"}': 1,
    'specter_dependency_components{dependency="pay",component_status="operational"}': 3,
    "process_resident_memory_bytes": 3e8,
    "process_open_fds": 20,
    'ALERTS{alertname="DetectorFitsLate",alertstate="firing",severity="none",instance="d"}': 1,
    **{f"service:http_server_request_duration_seconds:{p}_rate1m": 0.8 for p in ("p50", "p95", "p99")},
    **{
        f'service_route:http_server_request_duration_seconds:p95_rate1m{{http_route="{route}"}}': value
        for route, value in (("/search", 2.5), ("/cart", 0.1))
    },
    **{
        f'{name}{{for="{alias}",model_alias="m"{route}}}': value
        for name, value in (("yhat", 0.2), ("yhat_lower", 0.1), ("yhat_upper", 0.3))
        for alias, route in (
            ("request_rate", ""),
            ("error_ratio", ""),
            ("latency_p95", ""),
            ("route_latency_p95", ',http_route="/search"'),
        )
    },
}
COUNTERS = (
    *signin_and_logs.COUNTERS,
    *hosts.COUNTERS,
    *databases.COUNTERS,
    *checked_data.COUNTERS,
    *queues.COUNTERS,
    *jobs.COUNTERS,
    "specter_beacon_requests_total",
    'specter_beacon_refused_total{reason="origin"}',
    'specter_beacon_measurements_refused_total{reason="value"}',
    "specter_beacon_unknown_pages_total",
    "specter_beacon_late_total",
    "specter_beacon_replaced_total",
    'specter_http_server_exceptions_total{http_route="/search",exception="KeyError"}',
    'specter_dependency_runs_total{dependency="pay",kind="steps"}',
    'specter_dependency_failed_runs_total{dependency="pay",kind="steps",reason="status"}',
    'http_client_request_duration_seconds_count{server_address="pay.example.org",error_type="timeout"}',
    *(
        f'http_server_{what}_body_size_bytes_{kind}{{http_route="/search"}}'
        for what in ("request", "response")
        for kind in ("sum", "count")
    ),
    'specter_business_events_total{event="payment",outcome="failed",reason="card_declined"}',
    'specter_business_amount_sum{event="payment",outcome="success",currency="EUR"}',
    *(
        f'specter_business_{name}_bucket{{event="payment",outcome="success",le="{le}"}}'
        for name in ("duration_seconds", "tokens", "items")
        for le in ("1.0", "+Inf")
    ),
    *(f'specter_business_session_duration_seconds_bucket{{le="{le}"}}' for le in ("10.0", "+Inf")),
    'specter_business_funnel_steps_total{funnel="f",position="01",event="registration"}',
    'specter_business_feature_uses_total{feature="quests"}',
    'specter_business_rejected_total{reason="unknown_event"}',
    'specter_business_reason_overflow_total{event="payment"}',
    "specter_business_sessions_untracked_total",
    'specter_business_requests_total{sender="shop",code="200"}',
    'specter_business_state_saves_total{outcome="ok"}',
    'specter_detector_reads_total{query="request_rate",outcome="error"}',
    'specter_detector_writes_total{outcome="rejected"}',
    'specter_detector_reads_total{query="request_rate",outcome="ok"}',
    'specter_detector_model_runs_total{query="request_rate",outcome="ok"}',
    'specter_detector_model_run_seconds_total{query="request_rate"}',
    'specter_detector_fits_total{query="request_rate",outcome="ok"}',
    'specter_detector_fit_pool_restarts_total{reason="died"}',
    'specter_detector_samples_dropped_total{reason="expired"}',
    'specter_detector_storage_errors_total{what="state"}',
    "specter_detector_ticks_skipped_total",
    "specter_detector_ticks_caught_up_total",
    "specter_detector_samples_written_total",
    "specter_detector_read_bytes_total",
    "specter_detector_sent_bytes_total",
    "process_cpu_seconds_total",
    *(
        f'specter_detector_{name}_request_duration_seconds_bucket{{{label},le="{le}"}}'
        for name, label in (("read", 'code="2xx"'), ("write", 'outcome="ok"'))
        for le in ("0.5", "+Inf")
    ),
    'specter_detector_tick_duration_seconds_bucket{le="0.5"}',
    'specter_detector_tick_duration_seconds_bucket{le="+Inf"}',
)
TIMES = (
    *signin_and_logs.TIMES,
    *databases.TIMES,
    *checked_data.TIMES,
    *queues.TIMES,
    *jobs.TIMES,
    'specter_dependency_last_run_timestamp_seconds{dependency="pay",kind="steps"}',
    'specter_dependency_next_run_timestamp_seconds{dependency="pay",kind="steps"}',
    'specter_dependency_status_page_last_success_timestamp_seconds{dependency="pay"}',
    'specter_detector_last_tick_timestamp_seconds{query="request_rate"}',
    'specter_detector_last_fit_timestamp_seconds{query="request_rate"}',
    "specter_business_state_last_save_timestamp_seconds",
    "specter_detector_scheduler_last_loop_timestamp_seconds",
    "specter_detector_last_save_timestamp_seconds",
    "specter_detector_config_last_reload_success_timestamp_seconds",
)


class Exposition(http.server.BaseHTTPRequestHandler):
    """Everything a running stack would expose, counters growing with time."""

    def do_GET(self) -> None:
        lines = [f"{series} {value}" for series, value in GAUGES.items()]
        lines += [f"{series} {(time.monotonic() - STARTED) * 10}" for series in COUNTERS]
        lines += [f"{series} {time.time() - 10}" for series in TIMES]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(("\n".join(lines) + "\n").encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def exposition() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Exposition)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def prometheus(folder: Path, targets: list[str]) -> Iterator[str]:
    static = [{"targets": targets, "labels": {"service": "shop"}}] if targets else []
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [{"job_name": "shop", "static_configs": static, "honor_labels": True}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [
                str(find_program("prometheus")),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
                "--log.format=json",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 30
        while not (address := listening(folder / "log")) or not ready(address):
            assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
            assert time.monotonic() < deadline, "Prometheus is not ready within 30 s"
            time.sleep(0.05)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def listening(log: Path) -> str:
    """Return the address that Prometheus got, empty while it has none."""
    for line in log.read_text(encoding="utf-8").splitlines():
        if '"msg":"Listening on"' in line and line.endswith("}"):
            return str(json.loads(line)["address"])
    return ""


def ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def ask(url: str, expr: str, *, instant: bool = True) -> list[dict[str, Any]]:
    """Return the result; a query that Prometheus refuses raises HTTPError."""
    now = time.time()
    parameters = {"query": substitute(expr)}
    parameters |= {"time": str(now)} if instant else {"start": str(now - 300), "end": str(now), "step": "15"}
    path = "query" if instant else "query_range"
    with urllib.request.urlopen(
        f"{url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10
    ) as found:
        result: list[dict[str, Any]] = json.load(found)["data"]["result"]
        return result


def values(found: list[dict[str, Any]], label: str) -> dict[str, float]:
    return {sample["metric"].get(label, ""): float(sample["value"][1]) for sample in found}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    with exposition() as target, prometheus(folder, [target]) as url:
        deadline = time.monotonic() + 60
        while not ask(url, 'rate(specter_detector_reads_total{outcome="error"}[1m])'):
            assert time.monotonic() < deadline, "no second scrape within 60 s"
            time.sleep(0.1)
        yield url


@pytest.mark.integration
@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_query_finds_what_is_there(server: str, name: str) -> None:
    empty = [
        where for where, expr, instant in expressions(build(name)) if not ask(server, expr, instant=instant)
    ]
    # Nothing critical fires in the fixture, and nothing is down: both are a 0, not an absence.
    assert empty == []


@pytest.mark.integration
def test_counts_of_firing_alerts(server: str) -> None:
    counts = {severity: ask(server, firing(severity)) for severity in ("critical", "warning", "info")}
    assert {severity: [float(s["value"][1]) for s in found] for severity, found in counts.items()} == {
        "critical": [0],
        "warning": [1],
        "info": [1],
    }


@pytest.mark.integration
def test_the_highest_score_and_the_values_behind_anomalies(server: str) -> None:
    assert values(ask(server, highest_score()), "service") == {"shop": 6}
    assert values(ask(server, anomalous_value()), "for") == {"latency_p95": 0.8, "route_latency_p95": 2.5}


@pytest.mark.integration
def test_the_most_anomalous_series_come_once_however_many_detectors_watch_them(server: str) -> None:
    found = ask(server, top_scores())
    expected = {"request_rate": 0.3, "latency_p95": 4.5, "route_latency_p95": 6}
    assert values(found, "for") == {**expected, **signin_and_logs.SCORES}
    assert len(found) == 5


@pytest.mark.integration
def test_health_checks_calls_and_memory_of_applications(server: str) -> None:
    assert values(ask(server, application_queries.checks()), "check") == {"database": 1, "mail": 0}
    [failed] = ask(server, application_queries.failed_calls())
    assert failed["metric"] == {
        "service": "shop",
        "server_address": "pay.example.org",
        "error_type": "timeout",
    }
    assert float(failed["value"][1]) > 0
    memory = application_queries.of_process("process_resident_memory_bytes")
    assert values(ask(server, memory), "service") == {"shop": 3e8}


@pytest.mark.integration
def test_events_beside_what_the_catalogue_promises(server: str) -> None:
    counts = {
        outcome: values(ask(server, business_queries.count(metrics.EVENTS_1H, matcher)), "event")
        for outcome, matcher in (
            ("success", business_queries.SUCCEEDED),
            ("failed", business_queries.FAILED),
        )
    }
    assert counts == {"success": {"payment": 18}, "failed": {"payment": 2}}
    assert values(ask(server, business_queries.promised_per_hour()), "event") == pytest.approx({"payment": 5})
    [turnover] = ask(server, business_queries.turnover())
    assert turnover["metric"] == {"service": "shop", "event": "payment", "currency": "EUR"}


@pytest.mark.integration
def test_how_detectors_do(server: str) -> None:
    assert [float(s["value"][1]) for s in ask(server, up())] == [1]
    assert values(ask(server, anomalous_ratio()), "query") == {"request_rate": 0.25}
    [age] = ask(server, oldest_scores())
    assert 9 <= float(age["value"][1]) < 60
    assert [float(s["value"][1]) for s in ask(server, of_process("process_open_fds"))] == [20]
    [cores] = ask(server, cpu())
    assert float(cores["value"][1]) > 0


@pytest.mark.integration
def test_what_is_suspected_and_from_which_sources(server: str) -> None:
    assert [float(s["value"][1]) for s in ask(server, count_suspected())] == [1]
    assert values(ask(server, suspected()), "kind") == {
        "credential_stuffing": 1,
        "password_spraying": 0,
        "flood": 0,
    }
    assert values(ask(server, top_sources(metrics.AUTH_SOURCE_FAILURES)), "source") == {
        "f0b8": 150,
        "4044": 149,
    }
    assert values(ask(server, accounts_of_top_sources()), "source") == {"f0b8": 148, "4044": 152}


@pytest.mark.integration
def test_the_newest_errors_and_the_routes_that_fail(server: str) -> None:
    [newest] = ask(server, newest_templates())
    assert newest["metric"]["template_id"] == "c9c6"
    assert 9 <= float(newest["value"][1]) < 60
    found = ask(server, failing_routes())
    assert [(s["metric"]["http_route"], s["metric"]["http_response_status_code"]) for s in found] == [
        ("/orders/{id}", "502")
    ]


@pytest.mark.integration
def test_servers_connections_and_statements_of_databases(server: str) -> None:
    [gone] = ask(server, unreachable())
    assert (gone["metric"]["server"], gone["metric"]["reason"]) == ("gone", "timeout")
    assert values(ask(server, usable()), "server") == {"main": 97}
    # Both counters grow alike in the fixture.
    assert values(ask(server, hit_ratio()), "database") == pytest.approx({"shop": 0.5}, rel=0.01)
    assert values(ask(server, dead_share()), "table") == {"orders": 0.2}
    assert set(values(ask(server, statement_time()), "query")) == {"SELECT $1"}
    assert values(ask(server, statement_mean()), "query") == pytest.approx({"SELECT $1": 1}, rel=0.01)


@pytest.mark.integration
def test_checks_that_are_violated_and_those_not_known_are_counted(server: str) -> None:
    assert values(ask(server, integrity_queries.violated()), "database") == {"shop": 1}
    assert values(ask(server, integrity_queries.unknown()), "database") == {"shop": 2}
    [gone] = ask(server, integrity_queries.unanswered())
    assert (gone["metric"]["database"], gone["metric"]["reason"]) == ("copy", "timeout")
    violations = integrity_queries.highest(metrics.SQL_VIOLATIONS)
    shown = values(ask(server, integrity_queries.with_labels(violations)), "severity")
    assert shown == {"critical": 7, "warning": 0}
    assert values(ask(server, integrity_queries.busy()), "check") == {"paid": 0.05}


@pytest.mark.integration
def test_queues_and_workers_of_a_broker(server: str) -> None:
    [gone] = ask(server, queues_queries.unreachable())
    assert (gone["metric"]["server"], gone["metric"]["reason"]) == ("gone", "refused")
    assert values(ask(server, queues_queries.total(metrics.QUEUE_READY)), "server") == {"main": 15}
    assert values(ask(server, queues_queries.lost()), "server") == {"main": 3}
    assert values(ask(server, queues_queries.memory_used()), "server") == {"main": 0.5}
    assert values(ask(server, queues_queries.by_queue(metrics.QUEUE_READY)), "queue") == {
        "mail": 12,
        "low": 3,
    }


@pytest.mark.integration
def test_jobs_that_failed_and_that_did_not_run(server: str) -> None:
    assert set(values(ask(server, jobs_queries.failed()), "job_name")) == {"backup", "never"}
    assert set(values(ask(server, jobs_queries.overdue()), "job_name")) == {"backup"}
    [row] = [each for each in ask(server, jobs_queries.listed()) if each["metric"]["job_name"] == "digest"]
    assert (row["metric"]["kind"], row["metric"]["schedule"]) == ("mail_digest", "every 900s")
    # Both counters grow alike in the fixture.
    assert values(ask(server, jobs_queries.undelivered()), "provider") == pytest.approx(
        {"ses": 0.5}, rel=0.01
    )


@pytest.mark.integration
def test_rates_are_those_of_the_slowest_routes(server: str) -> None:
    found = ask(server, of_slowest_routes("service_route:http_server_requests:rate1m"))
    assert values(found, "http_route") == {"/search": 3, "/cart": 9}


@pytest.mark.integration
def test_views_by_rating_add_up_and_the_worst_device_is_shown(server: str) -> None:
    lcp = metrics.WEB_VITALS_LCP
    shares = [values(ask(server, share(lcp)), "device") for share in (good, needs_improvement, poor)]
    assert [pytest.approx(one) for one in shares] == [
        {"desktop": 0.7, "mobile": 0.5},
        {"desktop": 0.2, "mobile": 0.3},
        {"desktop": 0.1, "mobile": 0.2},
    ]
    assert values(ask(server, worst(lcp)), "") == {"": 0.9}
    [refused] = ask(server, refused_share())
    assert float(refused["value"][1]) == pytest.approx(1, rel=0.01)


@pytest.mark.integration
def test_an_empty_prometheus_gives_no_number_at_all(tmp_path: Path) -> None:
    with prometheus(tmp_path, []) as url:
        found = {
            where: ask(url, expr, instant=instant)
            for name in DASHBOARDS
            for where, expr, instant in expressions(build(name))
        }
    assert {where: result for where, result in found.items() if result} == {}


@pytest.mark.integration
def test_hosts_that_are_down_units_that_failed_and_groups_that_are_gone_are_counted(server: str) -> None:
    counted = {
        name: [float(sample["value"][1]) for sample in ask(server, expr)]
        for name, expr in (
            ("down", hosts_queries.down()),
            ("failed", hosts_queries.failed_units()),
            ("absent", hosts_queries.absent_groups()),
        )
    }
    assert counted == {"down": [1], "failed": [1], "absent": [1]}
    [unit] = ask(server, hosts_queries.failed_list())
    assert unit["metric"]["name"] == "celery.service"
    # Only a group with a process has an age.
    [age] = ask(server, hosts_queries.group_age())
    assert age["metric"] == {"service": "shop", "instance": "a", "groupname": "celery"}
    # What the server was given is as old as this module; two scrapes may lie between.
    assert 3600 <= float(age["value"][1]) < 3600 + time.monotonic() - STARTED + 60
