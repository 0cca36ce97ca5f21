"""WSGI middleware: PEP 3333's corners, durations to the end of the body, nothing left active."""

import http.client
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from specter_core.web import WebOptions, WebServer
from specter_exporters.app import Recorder, WsgiMiddleware
from tests.exporters.driving import (
    DURATION,
    EXCEPTIONS,
    Timer,
    WsgiServer,
    active,
    count,
    environ,
    get,
    recorded,
    total,
    value,
)

WITHIN = 10.0


class Boom(Exception):  # noqa: N818
    """What applications raise here."""


BOOM = f"{Boom.__module__}.Boom"


class Stand:
    """A recorder with a clock and one application around it."""

    def __init__(self, app: Callable[..., Iterable[bytes]], **options: Any) -> None:
        self.timer = Timer()
        self.recorder = Recorder(timer=self.timer)
        self.registry = self.recorder.registry
        self.app = WsgiMiddleware(app, self.recorder, **options)


def test_duration_ends_when_the_body_is_closed() -> None:
    closed: list[float] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            for chunk in (b"a", b"b"):
                stand.timer.advance(1)
                yield chunk

        def close(self) -> None:
            stand.timer.advance(2)
            closed.append(stand.timer())

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        stand.timer.advance(4)
        start_response("200 OK", [])
        return Body()

    stand = Stand(app)
    body = stand.app(environ(), WsgiServer().start_response)
    assert list(body) == [b"a", b"b"]
    assert (recorded(stand.registry), active(stand.registry)) == ({}, 1)
    body.close()  # type: ignore[attr-defined]
    assert closed == [108.0]
    assert (total(stand.registry, ""), active(stand.registry)) == (8.0, 0)


def test_generator_application_starts_its_response_at_the_first_chunk() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", [])
        stand.timer.advance(3)
        yield b"late"

    stand = Stand(app)
    server = WsgiServer()
    assert server.serve(stand.app, environ()) == b"late"
    assert server.status == "201 Created"
    assert total(stand.registry, "", "201") == 3.0


def test_client_that_leaves_half_way_is_recorded_with_the_status_it_saw() -> None:
    closes: list[str] = []

    class Body:
        def __init__(self) -> None:
            self.left = 1000

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            self.left -= 1
            return b"x"

        def close(self) -> None:
            closes.append("close")

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body()

    stand = Stand(app)
    body = stand.app(environ(), WsgiServer().start_response)
    chunks = iter(body)
    assert next(chunks) == b"x"
    body.close()  # type: ignore[attr-defined]
    del chunks
    assert closes == ["close"]
    assert recorded(stand.registry) == {("GET", "", "200"): 1}
    assert active(stand.registry) == 0


def test_escaping_exception_is_a_500_and_counted_by_class() -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        stand.timer.advance(0.5)
        raise Boom

    stand = Stand(app, route=lambda environ: "/orders/{id}")
    with pytest.raises(Boom):
        get(stand.app, "/orders/7")
    assert total(stand.registry, "/orders/{id}", "500") == 0.5
    assert value(stand.registry, EXCEPTIONS, http_route="/orders/{id}", exception=BOOM) == 1
    assert active(stand.registry) == 0


@pytest.mark.parametrize("chunks_before", [0, 2])
def test_exception_in_the_body_is_a_500_and_counted_once(chunks_before: int) -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield from [b"x"] * chunks_before
        raise Boom

    stand = Stand(app)
    with pytest.raises(Boom):
        get(stand.app)
    assert recorded(stand.registry) == {("GET", "", "500"): 1}
    assert value(stand.registry, EXCEPTIONS, http_route="", exception=BOOM) == 1
    assert active(stand.registry) == 0


def test_exception_in_close_is_a_500() -> None:
    class Body(list[bytes]):
        def close(self) -> None:
            raise Boom

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body([b"x"])

    stand = Stand(app)
    with pytest.raises(Boom):
        get(stand.app)
    assert recorded(stand.registry) == {("GET", "", "500"): 1}
    assert active(stand.registry) == 0


def test_application_that_never_starts_a_response_is_a_500() -> None:
    stand = Stand(lambda environ, start_response: [])
    get(stand.app)
    assert recorded(stand.registry) == {("GET", "", "500"): 1}


def test_exc_info_reaches_the_server_and_replaces_the_status() -> None:
    seen: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        seen.append((status, exc_info[1] if exc_info else None))

    boom = Boom()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        start_response("503 Service Unavailable", [], (Boom, boom, None))
        return [b"sorry"]

    stand = Stand(app)
    assert list(stand.app(environ(), start_response)) == [b"sorry"]
    assert seen == [("200 OK", None), ("503 Service Unavailable", boom)]


def test_write_reaches_the_server() -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        write = start_response("200 OK", [])
        write(b"first ")
        return [b"second"]

    stand = Stand(app)
    assert WsgiServer().serve(stand.app, environ()) == b"first second"
    assert count(stand.registry, "") == 1


def test_integration_may_note_the_route() -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        environ["specter.route"] = "/noted/<id>"
        start_response("200 OK", [])
        return []

    stand = Stand(app, route=lambda environ: "/asked")
    get(stand.app, "/noted/1")
    assert recorded(stand.registry) == {("GET", "/noted/<id>", "200"): 1}


def test_route_callable_that_raises_does_not_fail_the_request(caplog: pytest.LogCaptureFixture) -> None:
    def route(environ: Any) -> str:
        raise Boom

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return []

    stand = Stand(app, route=route)
    assert get(stand.app) == "200 OK"
    assert recorded(stand.registry) == {("GET", "", "200"): 1}
    assert "recorded without a route" in caplog.text


def test_metrics_path_is_served_and_not_recorded() -> None:
    stand = Stand(lambda environ, start_response: [], metrics_path="/metrics")
    server = WsgiServer()
    assert b"http_server_active_requests" in server.serve(stand.app, environ("/metrics"))
    assert server.status == "200 OK"
    assert recorded(stand.registry) == {}
    assert active(stand.registry) == 0


def shop(hold: threading.Event) -> Callable[..., Iterable[bytes]]:
    """A small application: /slow waits for `hold`, /endless streams for ever, /boom raises."""

    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/boom":
            raise Boom
        if path == "/slow":
            hold.wait(WITHIN)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return endless() if path == "/endless" else [b"hello ", b"world"]

    return app


def until(condition: Callable[[], bool]) -> None:
    """Poll `condition` until it holds."""
    deadline = time.monotonic() + WITHIN
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


@pytest.fixture
def hold() -> threading.Event:
    return threading.Event()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder(service_name="shop", service_version="1")


@pytest.fixture
def served(recorder: Recorder, hold: threading.Event) -> Iterator[str]:
    app = WsgiMiddleware(
        shop(hold), recorder, route=lambda environ: str(environ["PATH_INFO"]), metrics_path="/metrics"
    )
    server = WebServer(app, WebOptions("127.0.0.1", 0))
    server.start()
    try:
        yield server.url
    finally:
        hold.set()
        server.stop()


@pytest.mark.integration
def test_real_server_shows_requests_while_they_are_served(
    served: str, recorder: Recorder, hold: threading.Event
) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(target=lambda: answers.append(requests.get(f"{served}/slow", timeout=WITHIN).text))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    until(lambda: active(recorder.registry) == 3)
    text = requests.get(f"{served}/metrics", timeout=WITHIN).text
    assert 'http_server_active_requests{http_request_method="GET"} 3.0' in text
    hold.set()
    for thread in threads:
        thread.join(WITHIN)
    until(lambda: active(recorder.registry) == 0)
    assert answers == ["hello world"] * 3
    assert recorded(recorder.registry) == {("GET", "/slow", "200"): 3}


@pytest.mark.integration
def test_real_server_records_a_client_that_hangs_up(served: str, recorder: Recorder) -> None:
    address = urlsplit(served)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=WITHIN)
    connection.request("GET", "/endless")
    response = connection.getresponse()
    assert response.read(10) == b"x" * 10
    response.close()
    connection.close()
    until(lambda: count(recorder.registry, "/endless") == 1)
    assert active(recorder.registry) == 0


@pytest.mark.integration
def test_real_server_counts_what_escapes(served: str, recorder: Recorder) -> None:
    assert requests.get(f"{served}/boom", timeout=WITHIN).status_code == 500
    until(lambda: count(recorder.registry, "/boom", "500") == 1)
    assert value(recorder.registry, EXCEPTIONS, http_route="/boom", exception=BOOM) == 1
    assert active(recorder.registry) == 0


@pytest.mark.integration
def test_real_server_keeps_count_under_concurrent_load(served: str, recorder: Recorder) -> None:
    def work() -> None:
        with requests.Session() as session:
            for number in range(40):
                session.request("POST" if number % 2 else "GET", f"{served}/ok", timeout=WITHIN)

    hold_off = [threading.Thread(target=work) for _ in range(6)]
    for thread in hold_off:
        thread.start()
    for thread in hold_off:
        thread.join(60)
    until(lambda: sum(recorded(recorder.registry).values()) == 240)
    assert recorded(recorder.registry) == {("GET", "/ok", "200"): 120, ("POST", "/ok", "200"): 120}
    assert (active(recorder.registry, "GET"), active(recorder.registry, "POST")) == (0, 0)
    text = requests.get(f"{served}/metrics", timeout=WITHIN).text
    assert f'{DURATION}_count{{http_request_method="GET"' in text
