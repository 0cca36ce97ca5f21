"""The detector's web pages."""

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from prometheus_client import make_wsgi_app

from specter_detector.telemetry import Telemetry

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Running(Protocol):
    """What the pages show."""

    telemetry: Telemetry

    @property
    def ready(self) -> bool: ...

    def reload(self) -> None: ...


def web_app(running: Running, telemetry_path: str) -> "WSGIApplication":
    """Return the WSGI application: metrics, health, readiness and a landing page."""
    metrics = make_wsgi_app(running.telemetry.registry)
    landing = (
        "<!doctype html><title>Specter detector</title><h1>Specter detector</h1>"
        f'<p><a href="{html.escape(telemetry_path)}">Metrics</a></p>'
        '<p><a href="/-/ready">Ready?</a></p>'
    )

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == telemetry_path:
            exposition: Iterable[bytes] = metrics(environ, start_response)
            return exposition
        answers = {
            "/": ("200 OK", "text/html", landing),
            "/-/healthy": ("200 OK", "text/plain", "healthy\n"),
            "/-/ready": ("200 OK", "text/plain", "ready\n")
            if running.ready
            else ("503 Service Unavailable", "text/plain", "no tick has reached the data source yet\n"),
        }
        status, kind, body = answers.get(path, ("404 Not Found", "text/plain", "not found\n"))
        start_response(status, [("Content-Type", f"{kind}; charset=utf-8")])
        return [body.encode()]

    return app
