"""Drive WSGI and ASGI applications by hand, with time that the test decides."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
DURATION = "http_server_request_duration_seconds"
ACTIVE = "http_server_active_requests"
EXCEPTIONS = "specter_http_server_exceptions_total"
OVERFLOW = "specter_http_server_route_overflow_total"

Environ = dict[str, Any]


class Timer:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def environ(path: str = "/", method: str = "GET", **more: object) -> Environ:
    """Return a minimal WSGI environment."""
    return {"REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", **more}


class WsgiServer:
    """The server's side of one WSGI request."""

    def __init__(self) -> None:
        self.status = ""
        self.written: list[bytes] = []

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        self.status = status
        return self.written.append

    def serve(self, app: Callable[..., Iterable[bytes]], request: Environ) -> bytes:
        """Serve a request to its end as PEP 3333 tells servers to."""
        body = app(request, self.start_response)
        try:
            chunks = list(body)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()
        return b"".join([*self.written, *chunks])


def get(app: Callable[..., Iterable[bytes]], path: str = "/", method: str = "GET", **more: object) -> str:
    """Serve one request and return its status line."""
    server = WsgiServer()
    server.serve(app, environ(path, method, **more))
    return server.status


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """Return the value of one sample, None when there is no such series."""
    return registry.get_sample_value(name, labels)


def count(registry: CollectorRegistry, route: str, status: str = "200", method: str = "GET") -> float | None:
    """Return how many requests were recorded with these labels, None when there is no such series."""
    return registry.get_sample_value(f"{DURATION}_count", labels(route, status, method))


def total(registry: CollectorRegistry, route: str, status: str = "200", method: str = "GET") -> float | None:
    """Return the seconds recorded with these labels."""
    return registry.get_sample_value(f"{DURATION}_sum", labels(route, status, method))


def labels(route: str, status: str, method: str) -> dict[str, str]:
    """Return the labels of a duration series."""
    return {"http_request_method": method, "http_route": route, "http_response_status_code": status}


def recorded(registry: CollectorRegistry) -> dict[tuple[str, str, str], float]:
    """Return every recorded (method, route, status) with its count."""
    return {
        (
            sample.labels["http_request_method"],
            sample.labels["http_route"],
            sample.labels["http_response_status_code"],
        ): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == f"{DURATION}_count"
    }


def active(registry: CollectorRegistry, method: str = "GET") -> float | None:
    """Return the active requests of `method`."""
    return registry.get_sample_value(ACTIVE, {"http_request_method": method})


def http_scope(path: str = "/", method: str = "GET", headers: Iterable[tuple[bytes, bytes]] = ()) -> Any:
    """Return the scope of an HTTP request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"shop.example"), *headers],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 80),
    }


class AsgiServer:
    """The server's side of one ASGI request."""

    def __init__(self, *incoming: dict[str, Any]) -> None:
        self.incoming = list(incoming) or [{"type": "http.request", "body": b"", "more_body": False}]
        self.sent: list[Any] = []
        self.on_send: Callable[[Any], None] = self.sent.append

    async def receive(self) -> Any:
        return self.incoming.pop(0) if self.incoming else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.on_send(message)

    @property
    def status(self) -> int:
        """The status that was sent."""
        return int(next(message["status"] for message in self.sent if "status" in message))

    @property
    def body(self) -> bytes:
        """The body that was sent."""
        return b"".join(message.get("body", b"") for message in self.sent)

    def serve(self, app: Callable[[Any, Any, Any], Awaitable[None]], scope: Any) -> None:
        """Serve one connection to its end."""

        async def main() -> None:
            await app(scope, self.receive, self.send)

        asyncio.run(main())
