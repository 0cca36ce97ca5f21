"""The burst of requests that measures the shop: it knows every route, or says which one fails."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import flask
import pytest
from prometheus_client import CollectorRegistry
from werkzeug.serving import WSGIRequestHandler, make_server

from specter_core.errors import SpecterError
from specter_demo.history.burst import REQUESTS, WARM_UP_ROUNDS, measure
from specter_demo.history.views import DEVICES, PAGES
from specter_demo.traffic.shape import ROUTES
from specter_exporters.app import SpecterFlask
from tests.servers.prometheus import free_port


class Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_arguments: object) -> None:
        pass


@contextmanager
def shop(*broken: str) -> Iterator[tuple[str, list[str]]]:
    """Serve every route of the shop, the `broken` ones with 502; yield its URL and what was asked for."""
    app = flask.Flask(__name__, static_folder=None)
    SpecterFlask(app, service_name="shop", service_version="1.4.0", registry=CollectorRegistry())
    asked: list[str] = []

    def answer(**_parts: object) -> tuple[str, int]:
        route = flask.request.url_rule.rule if flask.request.url_rule else ""
        asked.append(route)
        return ("", 502) if route in broken else ("ok", 200)

    for route in ROUTES:
        app.add_url_rule(route, endpoint=f"of {route}", view_func=answer, methods=["GET", "POST"])
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_every_route_is_measured_in_its_share() -> None:
    with shop() as (url, asked):
        calibration = measure(url, random.Random(1))
    assert set(calibration.routes) == set(ROUTES)
    assert all(cells.sum() == pytest.approx(1.0) for cells in calibration.probabilities.values())
    measured = asked[WARM_UP_ROUNDS * len(ROUTES) :]
    assert len(measured) == REQUESTS + len(PAGES)
    burst, pages = measured[:REQUESTS], measured[REQUESTS:]
    assert {route: burst.count(route) / REQUESTS for route in ROUTES} == ROUTES
    assert pages == [page.route for page in PAGES]
    assert {(views.page, views.device) for views in calibration.views} == {
        (page.template, device.name) for page in PAGES for device in DEVICES
    }


def test_a_route_that_only_fails_is_named() -> None:
    with (
        shop("/checkout", "/login") as (url, _),
        pytest.raises(SpecterError, match=r"^the shop serves only errors on /checkout, /login; its log says"),
    ):
        measure(url, random.Random(1))


def test_a_shop_that_is_away_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(SpecterError, match=f"^the shop at {url} does not answer"):
        measure(url, random.Random(1))
