"""The metrics endpoint, for WSGI and ASGI: OpenMetrics where the scraper asks for it, else text."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE_OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from specter_core.errors import SpecterError
from specter_core.exposition import WithoutCreated

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def wants_openmetrics(accept: str) -> bool:
    """Return whether an Accept header prefers OpenMetrics 1.x to the text format (by its q values)."""
    openmetrics = text = 0.0
    for part in accept.split(","):
        media, *parameters = (item.strip().lower() for item in part.split(";"))
        values = dict(item.split("=", 1) for item in parameters if "=" in item)
        quality = _quality(values.get("q", "1"))
        if media == "application/openmetrics-text" and values.get("version", "1").startswith("1"):
            openmetrics = max(openmetrics, quality)
        elif media == "text/plain":
            text = max(text, quality)
    return openmetrics > 0 and openmetrics >= text


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer of the metrics endpoint."""

    status: int
    content_type: str
    body: bytes

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The response headers."""
        headers = [("Content-Type", self.content_type), ("Content-Length", str(len(self.body)))]
        return [*headers, ("Allow", "GET, HEAD")] if self.status == 405 else headers


def answer(registry: CollectorRegistry, method: str, accept: str) -> Answer:
    """Render `registry` for a request of `method` with the Accept header `accept`."""
    if method not in {"GET", "HEAD"}:
        return Answer(405, "text/plain; charset=utf-8", b"Metrics are read with GET.\n")
    if wants_openmetrics(accept):
        body: bytes = generate_openmetrics(WithoutCreated(registry))  # type: ignore[no-untyped-call]
        return Answer(200, CONTENT_TYPE_OPENMETRICS, body)
    return Answer(200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(WithoutCreated(registry)))


REASONS = {200: "200 OK", 405: "405 Method Not Allowed"}


def metrics_app(
    registry: CollectorRegistry | Callable[["WSGIEnvironment"], CollectorRegistry],
) -> "WSGIApplication":
    """Return a WSGI application that exposes `registry`, or the one made for a request, at every path."""

    def answered(environ: "WSGIEnvironment") -> Answer:
        shown = registry if isinstance(registry, CollectorRegistry) else registry(environ)
        return answer(shown, environ["REQUEST_METHOD"], environ.get("HTTP_ACCEPT", ""))

    return answering_app(answered)


def answering_app(answered: Callable[["WSGIEnvironment"], Answer]) -> "WSGIApplication":
    """Return a WSGI application that answers every request with what `answered` makes of it."""

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        result = answered(environ)
        start_response(REASONS[result.status], result.headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else result.body]

    return app


def metrics_asgi_app(registry: CollectorRegistry) -> AsgiApp:
    """Return an ASGI application (asyncio servers) that exposes `registry` at every path.

    Rendering takes about 6 µs a line, so it runs in a thread, beside the event loop.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001  (ASGI's signature)
        if scope["type"] != "http":
            raise SpecterError(f"the metrics endpoint speaks HTTP only, not {scope['type']}")
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
        result = await asyncio.to_thread(answer, registry, scope["method"], accept)
        headers = [(name.lower().encode(), value.encode()) for name, value in result.headers]
        await send({"type": "http.response.start", "status": result.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else result.body
        await send({"type": "http.response.body", "body": body})

    return app
