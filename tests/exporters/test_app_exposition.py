"""The metrics endpoint: exact text, negotiation, methods, both server interfaces."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import CounterMetricFamily, Metric

from specter_core.errors import SpecterError
from specter_exporters.app import Recorder, metrics_app, metrics_asgi_app
from specter_exporters.app.exposition import answer, wants_openmetrics
from specter_exporters.app.recorder import Exchange
from tests.exporters.driving import AsgiServer, Timer, WsgiServer, environ, http_scope

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)

TEXT = """\
# HELP target_info The service behind this endpoint and the version it runs.
# TYPE target_info gauge
target_info{service_name="shop",service_version="1.2.3"} 1.0
# HELP http_server_request_duration_seconds Duration of HTTP server requests, until the last byte of the \
response is handed to the server.
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="0.005"} 0.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="0.01"} 0.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="0.025"} 0.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="0.05"} 0.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="0.075"} 0.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="0.1"} 0.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="0.25"} 1.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="0.5"} 1.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="0.75"} 1.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="1.0"} 1.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="2.5"} 1.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="5.0"} 1.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="7.5"} 1.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="10.0"} 1.0
http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>",le="+Inf"} 1.0
http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>"} 1.0
http_server_request_duration_seconds_sum{http_request_method="GET",http_response_status_code="200",\
http_route="/items/<id>"} 0.125
# HELP http_server_active_requests HTTP server requests that are being served.
# TYPE http_server_active_requests gauge
http_server_active_requests{http_request_method="GET"} 0.0
http_server_active_requests{http_request_method="POST"} 1.0
# HELP specter_http_server_exceptions_total Exceptions that escaped a request handler, by class; classes \
beyond a limit (50 by default) count as `other`.
# TYPE specter_http_server_exceptions_total counter
specter_http_server_exceptions_total{exception="ValueError",http_route="/items/<id>"} 1.0
# HELP specter_http_server_route_overflow_total Requests counted under the route `other`, because as many \
routes as allowed have series already.
# TYPE specter_http_server_route_overflow_total counter
specter_http_server_route_overflow_total 0.0
# HELP http_server_response_body_size_bytes Size of the bodies of HTTP server responses, as handed to the \
server.
# TYPE http_server_response_body_size_bytes histogram
http_server_response_body_size_bytes_bucket{http_request_method="GET",\
http_route="/items/<id>",le="100.0"} 0.0
http_server_response_body_size_bytes_bucket{http_request_method="GET",\
http_route="/items/<id>",le="1000.0"} 0.0
http_server_response_body_size_bytes_bucket{http_request_method="GET",\
http_route="/items/<id>",le="10000.0"} 1.0
http_server_response_body_size_bytes_bucket{http_request_method="GET",\
http_route="/items/<id>",le="100000.0"} 1.0
http_server_response_body_size_bytes_bucket{http_request_method="GET",\
http_route="/items/<id>",le="1e+06"} 1.0
http_server_response_body_size_bytes_bucket{http_request_method="GET",\
http_route="/items/<id>",le="1e+07"} 1.0
http_server_response_body_size_bytes_bucket{http_request_method="GET",\
http_route="/items/<id>",le="+Inf"} 1.0
http_server_response_body_size_bytes_count{http_request_method="GET",\
http_route="/items/<id>"} 1.0
http_server_response_body_size_bytes_sum{http_request_method="GET",\
http_route="/items/<id>"} 2048.0
# HELP specter_http_server_workers Worker processes that serve requests.
# TYPE specter_http_server_workers gauge
specter_http_server_workers 1.0
"""


@pytest.fixture
def recorder() -> Recorder:
    timer = Timer()
    recorder = Recorder(service_name="shop", service_version="1.2.3", timer=timer)
    exchange = Exchange(recorder, "GET")
    exchange.route, exchange.status, exchange.sent = "/items/<id>", "200", 2048
    timer.advance(0.125)
    exchange.finish()
    Exchange(recorder, "POST")
    recorder.count_exception("/items/<id>", ValueError("no"))
    return recorder


def test_text_exposition_is_exact(recorder: Recorder) -> None:
    found = answer(recorder.registry, "GET", "")
    assert found.body.decode() == TEXT
    assert found.content_type == "text/plain; version=0.0.4; charset=utf-8"


def test_openmetrics_is_negotiated(recorder: Recorder) -> None:
    server = WsgiServer()
    body = server.serve(metrics_app(recorder.registry), environ("/metrics", HTTP_ACCEPT=PROMETHEUS_2))
    lines = body.decode().splitlines()
    assert server.status == "200 OK"
    assert lines[:3] == [
        "# HELP target The service behind this endpoint and the version it runs.",
        "# TYPE target info",
        'target_info{service_name="shop",service_version="1.2.3"} 1.0',
    ]
    assert lines[-1] == "# EOF"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (PROMETHEUS_2, True),
        (PROMETHEUS_3, True),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text; version=1.0.0; charset=utf-8", True),
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("text/plain;version=0.0.4", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=nonsense", False),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=2.0.0", False),
        ("application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.7", False),
        ("text/plain;q=0.3,application/openmetrics-text;version=1.0.0;q=0.7", True),
        (";;=,,;q=", False),
    ],
)
def test_accept_header_decides(accept: str, wanted: bool) -> None:
    assert wants_openmetrics(accept) is wanted


def test_created_series_of_other_metrics_are_left_out_and_their_families_untouched() -> None:
    class Cached:
        family = CounterMetricFamily("cached", "One family for every scrape.", value=3, created=5.0)

        def collect(self) -> list[Metric]:
            return [self.family]

    registry = CollectorRegistry()
    Counter("mine", "Mine.", registry=registry).inc(2)
    cached = Cached()
    registry.register(cached)
    body = answer(registry, "GET", "").body.decode()
    assert body == (
        "# HELP mine_total Mine.\n# TYPE mine_total counter\nmine_total 2.0\n"
        "# HELP cached_total One family for every scrape.\n# TYPE cached_total counter\ncached_total 3.0\n"
    )
    assert [sample.name for sample in cached.family.samples] == ["cached_total", "cached_created"]


def test_wsgi_answers_head_without_a_body_and_refuses_post(recorder: Recorder) -> None:
    app = metrics_app(recorder.registry)
    head: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        head.update(headers, status=status)

    assert b"".join(app(environ("/metrics", "HEAD"), start_response)) == b""
    assert head["Content-Length"] == str(len(TEXT))
    assert b"".join(app(environ("/metrics", "POST"), start_response)) == b"Metrics are read with GET.\n"
    assert head["status"] == "405 Method Not Allowed"
    assert head["Allow"] == "GET, HEAD"


def test_asgi_twin_answers_the_same(recorder: Recorder) -> None:
    app = metrics_asgi_app(recorder.registry)
    text, head, openmetrics = AsgiServer(), AsgiServer(), AsgiServer()
    accept = (b"accept", PROMETHEUS_3.encode())
    text.serve(app, http_scope("/metrics"))
    head.serve(app, http_scope("/metrics", "HEAD"))
    openmetrics.serve(app, http_scope("/metrics", headers=[accept]))
    assert text.body.decode() == TEXT
    assert text.sent[0] == {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"content-type", b"text/plain; version=0.0.4; charset=utf-8"),
            (b"content-length", str(len(TEXT)).encode()),
        ],
    }
    assert (head.status, head.body) == (200, b"")
    assert openmetrics.body.endswith(b"# EOF\n")


def test_asgi_twin_refuses_what_is_not_http() -> None:
    server = AsgiServer()
    app = metrics_asgi_app(CollectorRegistry())
    with pytest.raises(SpecterError, match="HTTP only, not websocket"):
        server.serve(app, {"type": "websocket"})
