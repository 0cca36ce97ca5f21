"""Saturation and sizes: queue time, event-loop lag, thread pools, slots, bodies."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import anyio.to_thread
import pytest

from specter_exporters.app import AsgiMiddleware, Recorder, WsgiMiddleware
from specter_exporters.app.event_loop import lateness
from specter_exporters.app.queueing import queue_seconds
from tests.exporters.driving import AsgiServer, WsgiServer, environ, get, http_scope, value

NOW = 1_800_000_000.5
QUEUE = "specter_http_server_queue_duration_seconds"
UNUSABLE = "specter_http_server_queue_unusable_total"
LAG = "specter_event_loop_lag_seconds"
REQUEST_SIZE = "http_server_request_body_size_bytes"
RESPONSE_SIZE = "http_server_response_body_size_bytes"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("t=1800000000.250", 0.25),
        ("1800000000.250", 0.25),
        ("t=1800000000", 0.5),
        ("t=1800000000250", 0.25),
        ("1800000000250", 0.25),
        ("t=1800000000250000", 0.25),
        (" t=1799999990.5 ", 10.0),
        ("t=1800000000.503", 0.0),
        ("t=1800000000.6", None),
        ("t=1799999200", None),
        ("t=", None),
        ("", None),
        ("t=-1800000000", None),
        ("t=1800000000.2,t=1800000000.3", None),
        ("t=9999999999999999999999", None),
        ("yesterday", None),
    ],
)
def test_queue_time_in_each_unit(header: str, expected: float | None) -> None:
    found = queue_seconds(header, NOW)
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-5))


def ok(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"ok"]


async def ok_asgi(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"x" * 700, "more_body": True})
    await send({"type": "http.response.body", "body": b"x" * 800})


def sizes(recorder: Recorder, name: str, method: str = "GET") -> tuple[float | None, float | None]:
    labels = {"http_request_method": method, "http_route": ""}
    return (
        value(recorder.registry, f"{name}_count", **labels),
        value(recorder.registry, f"{name}_sum", **labels),
    )


def test_wsgi_queue_time_is_recorded_and_nonsense_counted() -> None:
    recorder = Recorder(wall=lambda: NOW)
    app = WsgiMiddleware(ok, recorder)
    for header in ["t=1800000000.25", "t=1800000000.0", "t=1900000000", "x"]:
        get(app, HTTP_X_REQUEST_START=header)
    get(app)
    assert value(recorder.registry, f"{QUEUE}_count") == 2
    assert value(recorder.registry, f"{QUEUE}_sum") == pytest.approx(0.75)
    assert value(recorder.registry, UNUSABLE) == 2


def test_asgi_queue_time_is_recorded() -> None:
    recorder = Recorder(wall=lambda: NOW)
    AsgiServer().serve(
        AsgiMiddleware(ok_asgi, recorder), http_scope(headers=[(b"x-request-start", b"t=1800000000.25")])
    )
    assert value(recorder.registry, f"{QUEUE}_sum") == pytest.approx(0.25)


def test_wsgi_bodies_are_measured() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", [])
        write(b"x" * 300)
        yield b"x" * 400
        yield b"x" * 500

    recorder = Recorder()
    wrapped = WsgiMiddleware(app, recorder)
    get(wrapped)
    get(wrapped, CONTENT_LENGTH="")
    get(wrapped, CONTENT_LENGTH="-1")
    get(wrapped, CONTENT_LENGTH="9" * 40)
    get(wrapped, "/", "POST", CONTENT_LENGTH="12345")
    assert sizes(recorder, RESPONSE_SIZE) == (4, 4800)
    assert sizes(recorder, REQUEST_SIZE) == (None, None)
    assert sizes(recorder, REQUEST_SIZE, "POST") == (1, 12345)


def test_wsgi_body_of_which_the_client_took_half_counts_half() -> None:
    recorder = Recorder()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x" * 1000] * 2

    body = WsgiMiddleware(app, recorder)(environ(), WsgiServer().start_response)
    next(iter(body))
    body.close()  # type: ignore[attr-defined]
    assert sizes(recorder, RESPONSE_SIZE) == (1, 1000)


def test_asgi_bodies_are_measured_with_and_without_a_length() -> None:
    recorder = Recorder()
    app = AsgiMiddleware(ok_asgi, recorder)
    chunks: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"x" * 40, "more_body": True},
        {"type": "http.request", "body": b"x" * 60},
    ]
    AsgiServer().serve(app, http_scope())
    AsgiServer(*chunks).serve(app, http_scope("/", "POST", [(b"transfer-encoding", b"chunked")]))
    AsgiServer(*chunks).serve(app, http_scope("/", "PUT", [(b"content-length", b"100")]))
    assert sizes(recorder, RESPONSE_SIZE) == (1, 1500)
    assert sizes(recorder, REQUEST_SIZE) == (None, None)
    assert sizes(recorder, REQUEST_SIZE, "POST") == (1, 100)
    assert sizes(recorder, REQUEST_SIZE, "PUT") == (1, 100)


def test_slots_are_what_was_configured_or_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert value(Recorder().registry, "specter_http_server_slots") is None
    assert value(Recorder(slots=8).registry, "specter_http_server_slots") == 8
    monkeypatch.setenv("SPECTER_WORKERS_SLOTS", "3")
    registry = Recorder().registry
    assert value(registry, "specter_http_server_slots") == 3
    assert value(registry, "specter_http_server_workers") == 1


@pytest.mark.parametrize(
    ("late", "expected"),
    [(-0.1, [0.0]), (0.01, [0.01]), (0.6, [0.6, 0.35, 0.1]), (0.5, [0.5, 0.25])],
)
def test_a_block_counts_for_each_timer_that_it_held_up(late: float, expected: list[float]) -> None:
    assert list(lateness(late)) == pytest.approx(expected)


def test_a_very_long_block_is_bounded() -> None:
    assert len(list(lateness(1e6))) == 240


def test_a_blocked_loop_shows_in_its_lag() -> None:
    recorder = Recorder()
    app = AsgiMiddleware(ok_asgi, recorder)

    def lagged() -> float:
        return value(recorder.registry, f"{LAG}_sum") or 0.0

    async def main() -> None:
        server = AsgiServer()
        await app(http_scope(), server.receive, server.send)
        deadline = time.monotonic() + 20
        while not lagged() and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        quiet = lagged()
        time.sleep(1.0)
        while lagged() < quiet + 0.5 and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert lagged() >= 0.5


def test_thread_pool_use_is_sampled() -> None:
    recorder = Recorder()
    registry = recorder.registry

    async def app(scope: Any, receive: Any, send: Any) -> None:
        limiter = anyio.to_thread.current_default_thread_limiter()
        limiter.total_tokens = 3
        limiter.acquire_on_behalf_of_nowait("a request")
        await ok_asgi(scope, receive, send)

    async def main() -> None:
        server = AsgiServer()
        await AsgiMiddleware(app, recorder)(http_scope(), server.receive, server.send)
        deadline = time.monotonic() + 20
        while value(registry, "specter_threadpool_busy_threads") is None and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert value(registry, "specter_threadpool_busy_threads") == 1
    assert value(registry, "specter_threadpool_max_threads") == 3
    assert value(registry, "specter_threadpool_waiting_requests") == 0
