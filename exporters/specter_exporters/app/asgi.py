"""ASGI middleware: one measured exchange an HTTP request; everything else passes untouched."""

from collections.abc import Callable
from typing import Any

from specter_exporters.app.asgi_routes import RouteTemplates
from specter_exporters.app.exemplars import OPENTELEMETRY
from specter_exporters.app.exposition import AsgiApp, Message, Receive, Scope, Send, metrics_asgi_app
from specter_exporters.app.recorder import Exchange, Recorder, body_size, found_route
from specter_exporters.app.wsgi import ROUTE_KEY

Route = Callable[[Scope], str | None]


class AsgiMiddleware:
    """Measure every HTTP request of an ASGI application.

    The route label is the template that Starlette or FastAPI matched, mounts
    included; what an integration left in `scope["specter.route"]` (see
    `django_route`); else what `route(scope)` returns; else empty.

    The duration ends with the last message of the response: a background task that
    runs on is not part of it. An exception that escapes before that counts as
    status 500, unless the client had left. A client that leaves before the response
    has started is recorded without a status.

    Args:
        app: the application.
        recorder: where to record.
        route: finds the route template of applications that no integration knows.
        metrics_path: where to expose the recorder's registry, unrecorded; None exposes it nowhere.
    """

    def __init__(
        self,
        app: AsgiApp,
        recorder: Recorder,
        route: Route | None = None,
        *,
        metrics_path: str | None = None,
    ) -> None:
        self._app = app
        self._recorder = recorder
        self._route = route
        self._templates = RouteTemplates()
        self._metrics_path = metrics_path
        self._metrics = metrics_asgi_app(recorder.registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                self._recorder.store.announce()
                self._recorder.loop_watch.watch()
            await self._app(scope, receive, send)
            return
        if self._metrics_path is not None and scope["path"] == self._metrics_path:
            await self._metrics(scope, receive, send)
            return
        self._recorder.loop_watch.watch()
        exchange = AsgiExchange(self._recorder, scope, receive, send, self.matched_route)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.escaped(error)
            raise
        exchange.finish()

    def matched_route(self, scope: Scope) -> str:
        """Return the template that the framework matched, else `route(scope)`, else an empty string."""
        template = found_route(self._templates, scope) or scope.get(ROUTE_KEY)
        return str(template) if template else found_route(self._route, scope)


class AsgiExchange(Exchange):
    """One request; the application gets its `receive` and `send`."""

    _gone = False
    _counts = False  # the request's body comes without its length

    def __init__(
        self, recorder: Recorder, scope: Scope, receive: Receive, send: Send, route: Callable[[Scope], str]
    ) -> None:
        super().__init__(recorder, scope["method"])
        self._scope = scope
        self._receive = receive
        self._send = send
        self._find_route = route
        # A plain dictionary's look-ups cost less than one loop over the headers in Python.
        headers = dict(scope["headers"])
        self._traceparent = b"traceparent" in headers
        size = headers.get(b"content-length")
        if size is not None:
            self.received = body_size(size.decode("latin-1"))
        elif b"transfer-encoding" in headers:
            self._counts = True
            self.received = 0
        queued = headers.get(b"x-request-start")
        if queued is not None:
            recorder.queued(queued.decode("latin-1"))

    async def receive(self) -> Message:
        """Be the application's `receive`."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone = True
        elif self._counts:
            self.received = (self.received or 0) + len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """Be the application's `send`."""
        kind = message["type"]
        if kind == "http.response.start" and not self._gone:
            self.status = str(message["status"])
            if self._traceparent or OPENTELEMETRY in self._recorder.traced_by:
                self.exemplar = self._recorder.exemplar(_traceparent(self._scope["headers"]))
        elif kind == "http.response.body":
            self.sent += len(message.get("body", b""))
        try:
            await self._send(message)
        except OSError:
            self._gone = True  # how a server says that the client has left
            raise
        if kind == "http.response.pathsend" or (
            kind == "http.response.body" and not message.get("more_body", False)
        ):
            self.finish()

    def finish(self) -> None:
        """Record the request; later calls do nothing."""
        if self._done:
            return
        self.route = self._find_route(self._scope)
        if not self.status and not self._gone:
            self.status = "500"  # what a server makes of an application that sends nothing
        super().finish()

    def escaped(self, error: BaseException) -> None:
        """Record a request that ends with `error`.

        What is not an `Exception` is a cancellation: the server has given the request up.
        """
        if not isinstance(error, Exception):
            self._gone = True
        if self._gone and not self._done:
            self.finish()
        elif isinstance(error, Exception):
            self.route = self._find_route(self._scope)
            self.fail(error)


def _traceparent(headers: Any) -> str | None:
    """Return the traceparent header; None when it is absent or, against the standard, repeated."""
    found = [value for name, value in headers if name == b"traceparent"]
    return found[0].decode("latin-1") if len(found) == 1 else None
