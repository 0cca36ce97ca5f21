"""WSGI middleware (PEP 3333): one measured exchange a request."""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from specter_exporters.app.exemplars import OPENTELEMETRY
from specter_exporters.app.exposition import metrics_app
from specter_exporters.app.recorder import Exchange, Recorder, body_size, found_route

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Route = Callable[[WSGIEnvironment], str | None]

ROUTE_KEY = "specter.route"
COUNTED_KEY = "specter.counted"


class WsgiMiddleware:
    """Measure every request of a WSGI application.

    The route label is the template that the framework matched: Flask's rule; what
    an integration left in `environ["specter.route"]` (see `django_route`); else what
    `route(environ)` returns, called once the application has started its response;
    else empty. It must never be the raw path.

    The duration ends when the server closes the response's iterable, also when the
    client has left before its end. An exception that escapes counts as status 500,
    and so does an application that never starts a response.

    Args:
        app: the application.
        recorder: where to record.
        route: finds the route template of applications that no integration knows.
        metrics_path: where to expose the recorder's registry, unrecorded; None exposes it nowhere.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        recorder: Recorder,
        route: "Route | None" = None,
        *,
        metrics_path: str | None = None,
    ) -> None:
        self._app = app
        self._recorder = recorder
        self._route = route
        self._metrics_path = metrics_path
        self._metrics = metrics_app(recorder.registry)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        if self._metrics_path is not None and environ.get("PATH_INFO") == self._metrics_path:
            return self._metrics(environ, start_response)
        exchange = WsgiExchange(self._recorder, environ, start_response, self._route)
        try:
            exchange.body = self._app(environ, exchange.start)
        except BaseException as error:
            exchange.escaped(error)
            raise
        return exchange


def matched_route(environ: "WSGIEnvironment", route: "Route | None") -> str:
    """Return the template that the framework matched, else `route(environ)`, else an empty string."""
    request = environ.get("werkzeug.request")
    if request is not None:
        # A plain werkzeug request has no rule; an unmatched one of Flask has None.
        rule = getattr(request, "url_rule", None)
        if rule is not None:
            template: str = rule.rule
            return template
    noted = environ.get(ROUTE_KEY)
    if noted is not None:
        return str(noted)
    return found_route(route, environ)


class WsgiExchange(Exchange):
    """One request; the server iterates over it and closes it."""

    body: Iterable[bytes]
    status = "500"  # what the client gets from an application that never starts a response

    def __init__(
        self,
        recorder: Recorder,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
        route: "Route | None",
    ) -> None:
        self._environ = environ
        self._start_response = start_response
        self._find_route = route
        super().__init__(recorder, environ["REQUEST_METHOD"])
        size = environ.get("CONTENT_LENGTH")
        if size:
            self.received = body_size(size)
        queued = environ.get("HTTP_X_REQUEST_START")
        if queued is not None:
            recorder.queued(queued)

    def start(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: "OptExcInfo | None" = None,
        /,
    ) -> Callable[[bytes], object]:
        """Be the application's `start_response`."""
        if exc_info is None:
            write = self._start_response(status, headers)
        else:
            write = self._start_response(status, headers, exc_info)
        environ = self._environ
        self.status = status[:3]
        # Now, because Flask forgets its request when the application returns.
        self.route = matched_route(environ, self._find_route)
        traceparent = environ.get("HTTP_TRACEPARENT")
        if traceparent is not None or OPENTELEMETRY in self._recorder.traced_by:
            self.exemplar = self._recorder.exemplar(traceparent)
        self._write = write
        return self.write

    def write(self, chunk: bytes) -> object:
        """Be the `write` that `start_response` returns."""
        self.sent += len(chunk)
        return self._write(chunk)

    def __iter__(self) -> Iterator[bytes]:
        # A generator costs half of what __next__ does. Not `yield from`: a server that drops the
        # generator half-way would then close the body here, and a second time through close().
        try:
            for chunk in self.body:
                self.sent += len(chunk)
                yield chunk
        except GeneratorExit:
            raise
        except BaseException as error:
            self.escaped(error)
            raise

    def close(self) -> None:
        """End the request: the server has sent all, or its client has left."""
        close = getattr(self.body, "close", None)
        if close is not None:
            try:
                close()
            except BaseException as error:
                self.escaped(error)
                raise
        self.finish()

    def escaped(self, error: BaseException) -> None:
        """Record a request that ends with `error`."""
        environ = self._environ
        if not self.route:
            self.route = matched_route(environ, self._find_route)
        if environ.get(COUNTED_KEY) == id(error):
            self.status = "500"
            self.finish()
        else:
            self.fail(error)
