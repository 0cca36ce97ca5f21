"""The health endpoint, in front of a WSGI or ASGI application or by itself."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from specter_core.errors import SpecterError
from specter_exporters.app.exposition import AsgiApp, Receive, Scope, Send
from specter_exporters.app.health import Health, Report

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/healthz"
REASONS = {200: "200 OK", 405: "405 Method Not Allowed", 503: "503 Service Unavailable"}
NOT_GET = b"Health is read with GET.\n"


class HealthWsgi:
    """Answer `path` with the health, everything else with the application.

        app.wsgi_app = HealthWsgi(health, app.wsgi_app)  # Flask

    Around the recorder's middleware its requests are not recorded; inside they are.

    Args:
        health: the checks.
        app: the application; None answers every path with the health.
        path: the endpoint.
    """

    def __init__(self, health: Health, app: "WSGIApplication | None" = None, path: str = PATH) -> None:
        self._health = health
        self._app = app
        self._path = path

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        if self._app is not None and environ.get("PATH_INFO") != self._path:
            return self._app(environ, start_response)
        method = environ["REQUEST_METHOD"]
        if method not in {"GET", "HEAD"}:
            start_response(REASONS[405], [("Allow", "GET, HEAD"), ("Content-Length", str(len(NOT_GET)))])
            return [NOT_GET]
        report = self._health.report()
        body = _body(report)
        start_response(REASONS[report.status], _headers(body))
        return [b"" if method == "HEAD" else body]


class HealthAsgi:
    """Answer `path` with the health, everything else with the application.

        app = HealthAsgi(health, app)

    Args:
        health: the checks.
        app: the application; None answers every path with the health.
        path: the endpoint.
    """

    def __init__(self, health: Health, app: AsgiApp | None = None, path: str = PATH) -> None:
        self._health = health
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        self._health.on_loop()
        if self._app is not None and (scope["type"] != "http" or scope["path"] != self._path):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise SpecterError(f"the health endpoint speaks HTTP only, not {scope['type']}")
        if scope["method"] not in {"GET", "HEAD"}:
            status, body, headers = 405, NOT_GET, [("Allow", "GET, HEAD")]
        else:
            report = await self._health.report_async()
            status, body = report.status, _body(report)
            headers = _headers(body)
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def _body(report: Report) -> bytes:
    return json.dumps(report.document()).encode() + b"\n"


def _headers(body: bytes) -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]
