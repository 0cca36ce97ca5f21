"""The web pages of an exporter: metrics, health, a landing page, and what else it shows."""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from specter_exporters.app.exposition import metrics_app

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1>
<ul><li><a href="{metrics}">Metrics</a></li>{more}<li><a href="/-/healthy">Health</a></li></ul>
</body></html>
"""

Page = Callable[[], tuple[str, bytes]]
"""Makes a page: its content type and its body."""


def exporter_site(
    registry: CollectorRegistry | Callable[["WSGIEnvironment"], CollectorRegistry],
    *,
    title: str,
    telemetry_path: str = "/metrics",
    shown: Mapping[str, Page] | None = None,
) -> "WSGIApplication":
    """Return the WSGI application that an exporter's own web server serves.

    It exposes `registry`, or the one made for a request, at `telemetry_path`, says that it
    lives at `/-/healthy` and `/-/ready`, and has a landing page at `/`. `shown` are its further pages by
    their paths, made for each request.
    """
    return site(metrics_app(registry), title=title, telemetry_path=telemetry_path, shown=shown)


def site(
    metrics: "WSGIApplication", *, title: str, telemetry_path: str, shown: Mapping[str, Page] | None = None
) -> "WSGIApplication":
    """Return the application of `exporter_site`, with `metrics` at `telemetry_path`."""
    further = shown or {}
    more = "".join(f'<li><a href="{escape(path)}">{escape(path)}</a></li>' for path in further)
    page = PAGE.format(title=escape(title), metrics=escape(telemetry_path), more=more).encode()
    pages = {"/": (HTML, page), "/-/healthy": (TEXT, b"healthy\n"), "/-/ready": (TEXT, b"ready\n")}

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path, method = environ.get("PATH_INFO", ""), environ["REQUEST_METHOD"]
        if path == telemetry_path:
            return metrics(environ, start_response)
        known = path in pages or path in further
        status, (kind, body) = "200 OK", pages.get(path, (TEXT, b"There is nothing here.\n"))
        if path in further and method in {"GET", "HEAD"}:
            kind, body = further[path]()
        headers = [("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff")]
        if not known:
            status = "404 Not Found"
        elif method not in {"GET", "HEAD"}:
            status, kind, body = "405 Method Not Allowed", TEXT, b"Pages are read with GET.\n"
            headers = [("Content-Length", str(len(body))), ("Allow", "GET, HEAD")]
        start_response(status, [("Content-Type", kind), *headers])
        return [b"" if method == "HEAD" else body]

    return app
