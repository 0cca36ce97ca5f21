"""The Flask extension, through Flask's own test client."""

from collections.abc import Callable, Iterator

import pytest
from flask import Blueprint, Flask, Response, abort, redirect, send_file
from prometheus_client import CollectorRegistry, Counter
from werkzeug.test import Client

from specter_core.errors import SpecterError
from specter_exporters.app import Recorder, SpecterFlask, WsgiMiddleware
from tests.exporters.driving import EXCEPTIONS, TRACEPARENT, active, recorded, value


class Boom(Exception):  # noqa: N818
    """What views raise here."""


class Handled(Exception):  # noqa: N818
    """What has an error handler."""


BOOM = f"{Boom.__module__}.Boom"


def make_app() -> Flask:
    app = Flask("shop")
    catalog = Blueprint("catalog", __name__, url_prefix="/catalog")
    catalog.add_url_rule("/<category>/<int:item>", view_func=lambda category, item: f"{category} {item}")
    app.register_blueprint(catalog)
    app.add_url_rule("/stream", "stream", lambda: Response(rows(fails=False)))
    app.add_url_rule("/broken-stream", "broken-stream", lambda: Response(rows(fails=True)))
    app.add_url_rule("/boom/<name>", "boom", fail_with(Boom))
    app.add_url_rule("/handled", "handled", fail_with(Handled))
    app.add_url_rule("/gone", "gone", lambda: abort(410))
    app.add_url_rule("/folder/", "folder", lambda: "folder")
    app.add_url_rule("/away", "away", lambda: redirect("/folder/"))
    app.add_url_rule("/file", "file", lambda: send_file(__file__))
    app.register_error_handler(Handled, lambda error: ("handled", 418))
    return app


def rows(*, fails: bool) -> Iterator[str]:
    yield "a"
    if fails:
        raise Boom
    yield "b"


def fail_with(error: type[Exception]) -> Callable[..., str]:
    def view(**_: object) -> str:
        raise error

    return view


@pytest.fixture
def app() -> Flask:
    return make_app()


@pytest.fixture
def registry(app: Flask) -> CollectorRegistry:
    return SpecterFlask(app, service_name="shop", service_version="1.4.2").recorder.registry


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/catalog/shoes/7", "/catalog/<category>/<int:item>", "200"),
        ("HEAD", "/catalog/shoes/7", "/catalog/<category>/<int:item>", "200"),
        ("OPTIONS", "/catalog/shoes/7", "/catalog/<category>/<int:item>", "200"),
        ("GET", "/stream", "/stream", "200"),
        ("GET", "/handled", "/handled", "418"),
        ("GET", "/gone", "/gone", "410"),
        ("GET", "/boom/7", "/boom/<name>", "500"),
        ("GET", "/away", "/away", "302"),
        ("GET", "/file", "/file", "200"),
        ("GET", "/folder", "", "308"),
        ("GET", "/catalog/shoes/seven", "", "404"),
        ("GET", "/nowhere/secret-token", "", "404"),
        ("POST", "/stream", "", "405"),
        ("GET", "/static/none.css", "/static/<path:filename>", "404"),
    ],
)
def test_request_is_recorded_by_its_rule(
    app: Flask, registry: CollectorRegistry, method: str, path: str, route: str, status: str
) -> None:
    with app.test_client().open(path, method=method) as response:
        assert response.status_code == int(status)
        response.get_data()
    assert recorded(registry) == {(method, route, status): 1}
    assert active(registry, method) == 0


def test_unhandled_exception_is_counted_by_class_and_rule(app: Flask, registry: CollectorRegistry) -> None:
    app.test_client().get("/boom/7")
    assert value(registry, EXCEPTIONS, http_route="/boom/<name>", exception=BOOM) == 1


def test_exception_with_a_handler_did_not_escape(app: Flask, registry: CollectorRegistry) -> None:
    app.test_client().get("/handled")
    assert b"Handled" not in app.test_client().get("/metrics").data


def test_propagated_exception_keeps_its_rule_and_is_counted_once(
    app: Flask, registry: CollectorRegistry
) -> None:
    app.testing = True
    with pytest.raises(Boom):
        app.test_client().get("/boom/7")
    assert recorded(registry) == {("GET", "/boom/<name>", "500"): 1}
    assert value(registry, EXCEPTIONS, http_route="/boom/<name>", exception=BOOM) == 1
    assert active(registry) == 0


def test_broken_stream_is_a_500_of_its_rule(app: Flask, registry: CollectorRegistry) -> None:
    with pytest.raises(Boom):
        app.test_client().get("/broken-stream", buffered=True)
    assert recorded(registry) == {("GET", "/broken-stream", "500"): 1}
    assert value(registry, EXCEPTIONS, http_route="/broken-stream", exception=BOOM) == 1
    assert active(registry) == 0


def test_stream_is_active_until_it_is_closed(app: Flask, registry: CollectorRegistry) -> None:
    response = app.test_client().get("/stream", buffered=False)
    assert active(registry) == 1
    assert recorded(registry) == {}
    response.close()
    assert active(registry) == 0
    assert recorded(registry) == {("GET", "/stream", "200"): 1}


def test_metrics_are_served_and_not_recorded(app: Flask, registry: CollectorRegistry) -> None:
    Counter("orders", "Orders.", registry=registry).inc()
    client = app.test_client()
    client.get("/catalog/shoes/7", headers={"traceparent": TRACEPARENT}, buffered=True)
    text = client.get("/metrics")
    openmetrics = client.get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert text.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b'target_info{service_name="shop",service_version="1.4.2"} 1.0\n' in text.data
    assert b"orders_total 1.0\n" in text.data
    assert b"trace_id" not in text.data
    assert openmetrics.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert b'# {span_id="00f067aa0ba902b7",trace_id="4bf92f3577b34da6a3ce929d0e0e4736"}' in openmetrics.data
    assert recorded(registry) == {("GET", "/catalog/<category>/<int:item>", "200"): 1}


def test_application_factory_and_no_endpoint(app: Flask) -> None:
    extension = SpecterFlask(service_name="shop", service_version="2", metrics_path=None)
    extension.init_app(app)
    assert app.test_client().get("/metrics", buffered=True).status_code == 404
    assert app.extensions["specter"] is extension
    assert recorded(extension.recorder.registry) == {("GET", "", "404"): 1}


def test_second_extension_is_refused(app: Flask, registry: CollectorRegistry) -> None:
    with pytest.raises(SpecterError, match="'shop': SpecterFlask is set up on it already"):
        SpecterFlask(app, service_name="shop", service_version="1")


def test_plain_middleware_knows_flask_rules() -> None:
    recorder = Recorder()
    client = Client(WsgiMiddleware(make_app(), recorder))
    client.get("/catalog/shoes/7", buffered=True)
    assert recorded(recorder.registry) == {("GET", "/catalog/<category>/<int:item>", "200"): 1}
