"""ASGI middleware, driven by hand: ends, disconnects, cancellations, what passes untouched."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from specter_exporters.app import AsgiMiddleware, Recorder
from tests.exporters.driving import (
    EXCEPTIONS,
    AsgiServer,
    Timer,
    active,
    http_scope,
    recorded,
    total,
    value,
)

START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"end"}
MORE = {"type": "http.response.body", "body": b"more", "more_body": True}
GONE = {"type": "http.disconnect"}


class Boom(Exception):  # noqa: N818
    """What applications raise here."""


BOOM = f"{Boom.__module__}.Boom"
App = Callable[[Any, Any, Any], Awaitable[None]]


class Stand:
    """A recorder with a clock, one application around it, one server."""

    def __init__(self, app: App, *incoming: dict[str, Any], **options: Any) -> None:
        self.timer = Timer()
        self.recorder = Recorder(timer=self.timer)
        self.registry = self.recorder.registry
        self.server = AsgiServer(*incoming)
        self.app = AsgiMiddleware(app, self.recorder, **options)

    def serve(self, scope: Any = None) -> None:
        self.server.serve(self.app, scope or http_scope())

    @property
    def exceptions(self) -> float | None:
        return value(self.registry, EXCEPTIONS, http_route="", exception=BOOM)


def test_duration_ends_with_the_last_body_message_not_with_the_background_task() -> None:
    seen: list[tuple[float | None, float | None]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        stand.timer.advance(1)
        await send(MORE)
        seen.append((total(stand.registry, ""), active(stand.registry)))
        stand.timer.advance(1)
        await send(END)
        seen.append((total(stand.registry, ""), active(stand.registry)))
        stand.timer.advance(60)

    stand = Stand(app)
    stand.serve()
    assert seen == [(None, 1), (2.0, 0)]
    assert total(stand.registry, "") == 2.0
    assert stand.server.body == b"moreend"


def test_file_sent_by_path_ends_the_response() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.pathsend", "path": "/tmp/x"})
        stand.timer.advance(5)

    stand = Stand(app)
    stand.serve()
    assert total(stand.registry, "") == 0.0


def test_escaping_exception_is_a_500_and_counted() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise Boom

    stand = Stand(app)
    with pytest.raises(Boom):
        stand.serve()
    assert recorded(stand.registry) == {("GET", "", "500"): 1}
    assert (stand.exceptions, active(stand.registry)) == (1, 0)


def test_exception_in_mid_response_is_a_500() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)
        raise Boom

    stand = Stand(app)
    with pytest.raises(Boom):
        stand.serve()
    assert recorded(stand.registry) == {("GET", "", "500"): 1}
    assert (stand.exceptions, active(stand.registry)) == (1, 0)


def test_exception_after_the_response_is_counted_and_leaves_its_status() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(END)
        await receive()
        await receive()  # the server says disconnect once the response is complete
        raise Boom

    stand = Stand(app)
    with pytest.raises(Boom):
        stand.serve()
    assert recorded(stand.registry) == {("GET", "", "200"): 1}
    assert stand.exceptions == 1


def test_application_that_sends_nothing_is_a_500() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return

    stand = Stand(app)
    stand.serve()
    assert recorded(stand.registry) == {("GET", "", "500"): 1}


def test_client_that_leaves_before_the_response_has_no_status() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == GONE
        raise Boom

    stand = Stand(app, GONE)
    with pytest.raises(Boom):
        stand.serve()
    assert recorded(stand.registry) == {("GET", "", ""): 1}
    assert (stand.exceptions, active(stand.registry)) == (None, 0)


def test_error_page_for_a_client_that_has_left_is_no_500() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({**START, "status": 500})
        await send(END)

    stand = Stand(app, GONE)
    stand.serve()
    assert recorded(stand.registry) == {("GET", "", ""): 1}


def test_client_that_leaves_in_mid_response_keeps_the_status_it_saw() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(MORE)

    def drop(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise BrokenPipeError

    stand = Stand(app)
    stand.server.on_send = drop
    with pytest.raises(BrokenPipeError):
        stand.serve()
    assert recorded(stand.registry) == {("GET", "", "200"): 1}
    assert active(stand.registry) == 0
    assert value(stand.registry, EXCEPTIONS, http_route="", exception="BrokenPipeError") is None


@pytest.mark.parametrize(("started", "status"), [(False, ""), (True, "200")])
def test_cancelled_request_is_no_error(started: bool, status: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if started:
            await send(START)
        waiting.set()
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.ensure_future(stand.app(http_scope(), stand.server.receive, stand.server.send))
        await waiting.wait()
        assert active(stand.registry) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    waiting = asyncio.Event()
    stand = Stand(app)
    asyncio.run(main())
    assert recorded(stand.registry) == {("GET", "", status): 1}
    assert active(stand.registry) == 0


def test_many_at_once_are_active_together_and_none_is_left() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await release.wait()
        if scope["path"].endswith("3"):
            raise Boom
        await send(START)
        await send(END)

    async def main() -> None:
        servers = [AsgiServer() for _ in range(50)]
        tasks = [
            asyncio.ensure_future(stand.app(http_scope(f"/{number}"), server.receive, server.send))
            for number, server in enumerate(servers)
        ]
        await asyncio.sleep(0)
        assert active(stand.registry) == 50
        release.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert sum(isinstance(result, Boom) for result in results) == 5

    release = asyncio.Event()
    stand = Stand(app)
    asyncio.run(main())
    assert recorded(stand.registry) == {("GET", "", "200"): 45, ("GET", "", "500"): 5}
    assert active(stand.registry) == 0


@pytest.mark.parametrize("kind", ["websocket", "lifespan"])
def test_other_scopes_pass_untouched(kind: str) -> None:
    given: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        given.extend([scope, receive, send])

    stand = Stand(app)
    scope = {"type": kind, "path": "/metrics"}
    receive, send = stand.server.receive, stand.server.send
    asyncio.run(AsgiMiddleware(app, stand.recorder, metrics_path="/metrics")(scope, receive, send))
    assert given[0] is scope
    assert given[1:] == [receive, send]
    assert recorded(stand.registry) == {}


def test_metrics_path_is_served_and_not_recorded() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise Boom

    stand = Stand(app, metrics_path="/metrics")
    stand.serve(http_scope("/metrics"))
    assert b"# TYPE http_server_active_requests gauge" in stand.server.body
    assert recorded(stand.registry) == {}


@pytest.mark.parametrize("noted", [True, False])
def test_route_is_what_an_integration_noted_else_what_the_callable_says(noted: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if noted:
            scope["specter.route"] = "/noted/{id}"
        await send(START)
        await send(END)

    stand = Stand(app, route=lambda scope: "/asked/{id}")
    stand.serve(http_scope("/x/1"))
    assert recorded(stand.registry) == {("GET", "/noted/{id}" if noted else "/asked/{id}", "200"): 1}


def test_route_callable_that_raises_leaves_nothing_active(caplog: pytest.LogCaptureFixture) -> None:
    def route(scope: Any) -> str:
        raise Boom

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(END)

    stand = Stand(app, route=route)
    stand.serve()
    assert recorded(stand.registry) == {("GET", "", "200"): 1}
    assert active(stand.registry) == 0
    assert "recorded without a route" in caplog.text


def test_a_route_whose_template_cannot_be_found_fails_no_request(caplog: pytest.LogCaptureFixture) -> None:
    route = SimpleNamespace(path=None)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"], scope["router"] = route, SimpleNamespace(routes=[route])
        await send(START)
        await send(END)

    stand = Stand(app)
    stand.serve()
    assert recorded(stand.registry) == {("GET", "", "200"): 1}
    assert "recorded without a route" in caplog.text
