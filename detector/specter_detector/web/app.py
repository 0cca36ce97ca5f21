"""The detector's web application: pages, JSON API, health, metrics, reload."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from prometheus_client import CollectorRegistry, make_wsgi_app

from specter_core.errors import SpecterError, UsageError
from specter_core.exposition import WithoutCreated
from specter_core.web import WebOptions
from specter_detector.web.api import api
from specter_detector.web.assets import Assets
from specter_detector.web.feedback import FeedbackCollector, FeedbackStore
from specter_detector.web.guard import Guard
from specter_detector.web.pages import pages
from specter_detector.web.problems import RequestError, add_error_handlers
from specter_detector.web.schemas import StatusModel
from specter_detector.web.views import Watch

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

MAX_BODY_BYTES = 64 * 1024
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
OWN_PATHS = ("/", "/series")
OWN_FOLDERS = ("/api/", "/static/", "/-/")


def create_app(
    watch: Watch,
    *,
    registry: CollectorRegistry,
    ready: Callable[[], bool],
    reload: Callable[[], None] | None,
    feedback: FeedbackStore,
    telemetry_path: str = "/metrics",
    protected: bool = False,
) -> Flask:
    """Return the application; `specter_core.web.WebServer` serves it.

    Args:
        watch: the running detector.
        registry: what `telemetry_path` shows; the number of feedback windows is added to it.
        ready: whether ticks come through.
        reload: reads the configuration again, raises SpecterError and keeps the old one if it cannot be used;
            None where there is nothing to reload.
        feedback: where marks are kept.
        telemetry_path: of the metrics.
        protected: whether the server in front asks for credentials, see `is_protected`; if not, changes are
            taken from this machine only.

    Raises:
        UsageError: `telemetry_path` is a page's.
    """
    if telemetry_path in OWN_PATHS or f"{telemetry_path}/".startswith(OWN_FOLDERS):
        raise UsageError(f"--web.telemetry-path {telemetry_path}: is another page of the detector")
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.jinja_options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    guard, assets = Guard(protected=protected), Assets()
    app.before_request(lambda: guard.check(request))
    app.after_request(_with_headers)
    add_error_handlers(app)
    app.jinja_env.globals.update(
        asset=assets.url,
        plotly_style_ids=assets.plotly_style_ids,
        token=guard.token,
        telemetry_path=telemetry_path,
    )
    app.register_blueprint(assets.blueprint())
    app.register_blueprint(api(watch, feedback))
    app.register_blueprint(pages(watch, feedback))
    _add_operations(app, registry, ready, reload, telemetry_path)
    registry.register(FeedbackCollector(feedback, watch.aliases))
    return app


def is_protected(options: WebOptions) -> bool:
    """Whether a server with `options` answers to nobody without a password or a client certificate."""
    tls = options.config.tls_server_config
    by_certificate = tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert"
    return bool(options.config.basic_auth_users) or by_certificate


def _add_operations(
    app: Flask,
    registry: CollectorRegistry,
    ready: Callable[[], bool],
    reload: Callable[[], None] | None,
    telemetry_path: str,
) -> None:
    exposition = make_wsgi_app(WithoutCreated(registry))

    @app.get("/-/healthy")
    def healthy() -> Response:
        return Response("healthy\n", content_type="text/plain; charset=utf-8")

    @app.get("/-/ready")
    def is_ready() -> Response:
        if ready():
            return Response("ready\n", content_type="text/plain; charset=utf-8")
        text = "the data source is out of reach, or no tick has come through yet\n"
        return Response(text, 503, content_type="text/plain; charset=utf-8")

    @app.post("/-/reload")
    def reload_now() -> Response:
        if reload is None:
            raise RequestError(
                404, "this detector has nothing to reload", "Restart it with the new settings."
            )
        try:
            reload()
        except SpecterError as error:
            raise RequestError(
                422, str(error), "Correct the file; the old configuration stays in use."
            ) from error
        return Response(StatusModel(status="reloaded").model_dump_json(), content_type="application/json")

    @app.get(telemetry_path, endpoint="metrics")
    def metrics() -> "WSGIApplication":
        return exposition


def _with_headers(response: Response) -> Response:
    headers = response.headers
    headers["Content-Security-Policy"] = CONTENT_POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers.setdefault("Cache-Control", "no-store")
    return response
