"""The log exporter's pages: metrics, and the error templates for those who may see them."""

from collections.abc import Callable
from datetime import UTC, datetime

from flask import Flask, Response, jsonify, render_template_string, request
from prometheus_client import CollectorRegistry

from specter_core.errors import UsageError
from specter_core.web import WebOptions
from specter_exporters.app.exposition import answer

OWN_PATHS = ("/", "/api", "/-")
MAX_LISTED = 500
CLOSED = (
    "Templates are shown to nobody unless this server asks for a password or a client certificate: "
    "start it with --web.config.file."
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Specter log exporter</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:80rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;
border-bottom:1px solid #8886}td{overflow-wrap:anywhere}code{font:13px/1.4 ui-monospace,monospace}
:root{color-scheme:light dark}</style></head><body>
<h1>Specter log exporter</h1>
<p><a href="{{ telemetry_path }}">Metrics</a></p>
<h2>Error templates</h2>
{% if closed %}<p>{{ closed }}</p>
{% elif not templates %}<p>No error has been seen.</p>
{% else %}<p><a href="api/v1/templates">As JSON</a></p>
<table><thead><tr><th>First seen (UTC)</th><th>Last seen (UTC)</th><th>Count</th><th>Log</th><th>Level</th>
<th>Template and example</th></tr></thead><tbody>
{% for each in templates %}<tr id="{{ each.template_id }}"><td>{{ time(each.first_seen) }}</td>
<td>{{ time(each.last_seen) }}</td><td>{{ each.count }}</td><td>{{ each.log }}</td><td>{{ each.level }}</td>
<td><code>{{ each.template }}</code><br>{{ each.example }}</td></tr>
{% endfor %}</tbody></table>{% endif %}
</body></html>
"""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(
    registry: CollectorRegistry,
    templates: Callable[[], list[dict[str, object]]],
    *,
    ready: Callable[[], bool],
    telemetry_path: str = "/metrics",
    protected: bool = False,
) -> Flask:
    """Return the application; `specter_core.web.WebServer` serves it.

    Args:
        registry: what `telemetry_path` shows.
        templates: returns the error templates, the newest first.
        ready: whether the logs have been looked at.
        telemetry_path: of the metrics.
        protected: whether the server in front asks for credentials, see `is_protected`.

    Raises:
        UsageError: `telemetry_path` is another page.
    """
    if telemetry_path.rstrip("/") in OWN_PATHS or telemetry_path.startswith(("/api/", "/-/")):
        raise UsageError(f"--web.telemetry-path {telemetry_path}: is another page of the exporter")
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 1024

    @app.after_request
    def with_headers(response: Response) -> Response:
        response.headers.extend(HEADERS)
        return response

    @app.route(telemetry_path)
    def metrics_page() -> Response:
        result = answer(registry, request.method, request.headers.get("Accept", ""))
        return Response(result.body, result.status, result.headers)

    @app.get("/")
    def landing() -> str:
        listed = templates()[:MAX_LISTED] if protected else []
        return render_template_string(
            PAGE,
            templates=listed,
            closed="" if protected else CLOSED,
            telemetry_path=telemetry_path.lstrip("/"),
            time=_time,
        )

    @app.get("/api/v1/templates")
    def list_templates() -> tuple[Response, int]:
        if not protected:
            return jsonify(error=CLOSED), 403
        return jsonify(templates=templates()), 200

    @app.get("/-/healthy")
    def healthy() -> Response:
        return Response("healthy\n", content_type="text/plain; charset=utf-8")

    @app.get("/-/ready")
    def is_ready() -> Response:
        if ready():
            return Response("ready\n", content_type="text/plain; charset=utf-8")
        return Response(
            "the logs have not been looked at yet\n", 503, content_type="text/plain; charset=utf-8"
        )

    return app


def is_protected(options: WebOptions) -> bool:
    """Whether a server with `options` answers to nobody without a password or a client certificate."""
    tls = options.config.tls_server_config
    by_certificate = tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert"
    return bool(options.config.basic_auth_users) or by_certificate


def _time(seconds: object) -> str:
    moment = datetime.fromtimestamp(float(str(seconds)), UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
