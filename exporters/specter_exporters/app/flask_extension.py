"""Flask extension: the WSGI middleware, and the exceptions that Flask turns into a 500 itself."""

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from specter_core.errors import SpecterError
from specter_exporters.app.recorder import Recorder
from specter_exporters.app.wsgi import COUNTED_KEY, ROUTE_KEY, WsgiMiddleware

if TYPE_CHECKING:
    from flask import Flask

EXTENSION = "specter"


class SpecterFlask:
    """Record a Flask application's requests and expose them at `metrics_path`.

        SpecterFlask(app, service_name="shop", service_version="1.4.2")

    or, with an application factory, `extension = SpecterFlask(service_name=…, service_version=…)` and
    `extension.init_app(app)`.

    The endpoint is served in front of the application: no `before_request` hook and no
    login of it applies. Where the application can be reached by outsiders, set
    `metrics_path=None` and serve `metrics_app(extension.recorder.registry)` on a port of its own.

    Args:
        app: the application, or None to call `init_app` later.
        service_name: `target_info{service_name}`.
        service_version: `target_info{service_version}`.
        registry: where to register, by default a fresh registry.
        metrics_path: where to expose it; None exposes it nowhere.
        slots: how many requests this process can serve at once; see `Recorder`.
    """

    def __init__(
        self,
        app: "Flask | None" = None,
        *,
        service_name: str,
        service_version: str,
        registry: CollectorRegistry | None = None,
        metrics_path: str | None = "/metrics",
        slots: int | None = None,
    ) -> None:
        self.recorder = Recorder(
            registry, service_name=service_name, service_version=service_version, slots=slots
        )
        self._metrics_path = metrics_path
        if app is not None:
            self.init_app(app)

    def init_app(self, app: "Flask") -> None:
        """Start recording `app`.

        Raises:
            SpecterError: the application has this extension already.
        """
        from flask import got_request_exception  # noqa: PLC0415  (an ASGI service need not import Flask)

        if EXTENSION in app.extensions:
            raise SpecterError(f"Flask application {app.name!r}: SpecterFlask is set up on it already")
        app.extensions[EXTENSION] = self
        middleware = WsgiMiddleware(app.wsgi_app, self.recorder, metrics_path=self._metrics_path)
        # Flask's documented way to add one.
        app.wsgi_app = middleware  # type: ignore[method-assign]
        got_request_exception.connect(self._count_exception, app)

    def _count_exception(self, _app: "Flask", exception: BaseException, **_: object) -> None:
        """Count an unhandled exception, which in production never reaches the middleware."""
        from flask import request  # noqa: PLC0415  (see init_app)

        rule = request.url_rule
        route = rule.rule if rule is not None else ""
        self.recorder.count_exception(route, exception)
        # While testing and debugging it does reach it, after Flask has forgotten the request.
        request.environ[ROUTE_KEY] = route
        request.environ[COUNTED_KEY] = id(exception)
