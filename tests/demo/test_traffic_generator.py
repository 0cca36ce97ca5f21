"""The traffic generator: Poisson arrivals by the shape, whatever becomes of the requests."""

import http.client
import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import flask
import numpy as np
import pytest

from specter_core.web import WebOptions, WebServer
from specter_demo.shop import goods
from specter_demo.traffic.arrivals import arrivals
from specter_demo.traffic.client import ShopClient
from specter_demo.traffic.dials import LOAD
from specter_demo.traffic.generator import Generator
from specter_demo.traffic.shape import ROUTES, TrafficShape, utc_offset_for
from specter_demo.traffic.visitors import Request, Visitors
from specter_demo.traffic.workers import Workers
from tests.demo.shop_server import free_port

START = 1_709_640_000.0  # a Tuesday, 12:00 UTC


class FakeClock:
    """Time that passes only while someone sleeps."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(0.0, seconds)


class Recorder:
    """What was sent, and when."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.times: list[float] = []
        self.requests: list[Request] = []
        self.outcomes: Counter[str] = Counter()

    def submit(self, request: Request) -> None:
        self.times.append(self._clock.now)
        self.requests.append(request)

    def count(self, outcome: str) -> None:
        self.outcomes[outcome] += 1


def build(
    shape: TrafficShape, clock: FakeClock, load: Callable[[], float] = lambda: 1.0, seed: int = 1
) -> tuple[Generator, Recorder]:
    recorder = Recorder(clock)
    generator = Generator(
        shape,
        load_factor=load,
        submit=recorder.submit,
        count=recorder.count,
        clock=clock,
        source=random.Random(seed),
    )
    return generator, recorder


def run_for(generator: Generator, clock: FakeClock, seconds: int) -> None:
    for _ in range(seconds):
        generator.slice(clock.now)


def route_of(request: Request) -> str:
    path = urlsplit(request.path).path
    return "/products/<int:product_id>" if path.startswith("/products/") else path


@pytest.mark.parametrize("local_time", ["03:00", "15:00"])
def test_sends_as_many_requests_as_the_shape_says(local_time: str) -> None:
    shape = TrafficShape(utc_offset_hours=utc_offset_for(local_time, now=START))
    clock = FakeClock()
    generator, recorder = build(shape, clock)
    run_for(generator, clock, 1800)
    seconds = START + 0.5 + np.arange(1800, dtype=np.float64)
    expected = float(shape.total(seconds).sum())
    assert abs(len(recorder.requests) - expected) < 4.0 * expected**0.5
    sent = Counter(route_of(request) for request in recorder.requests)
    for route in ROUTES:
        due = float(shape.rate(route, seconds).sum())
        assert abs(sent[route] - due) < 4.0 * due**0.5, route
    assert clock.now == pytest.approx(START + 1800)
    assert recorder.outcomes == {}


def test_gaps_between_requests_are_exponential() -> None:
    shape, clock = TrafficShape(), FakeClock()
    generator, recorder = build(shape, clock)
    run_for(generator, clock, 900)
    gaps = np.diff(recorder.times)
    # Mean and standard deviation of an exponential distribution are equal.
    assert gaps.std() / gaps.mean() == pytest.approx(1.0, abs=0.05)
    assert abs(np.corrcoef(gaps[:-1], gaps[1:])[0, 1]) < 0.05


@pytest.mark.parametrize("local_time", ["03:00", "15:00"])
def test_a_load_factor_is_followed_from_the_next_second(local_time: str) -> None:
    shape = TrafficShape(utc_offset_hours=utc_offset_for(local_time, now=START))
    clock, factor = FakeClock(), [1.0]
    generator, recorder = build(shape, clock, lambda: factor[0])
    run_for(generator, clock, 300)
    normal = len(recorder.requests)
    factor[0] = 0.2
    run_for(generator, clock, 300)
    dropped = len(recorder.requests) - normal
    assert abs(dropped - 0.2 * normal) < 4.0 * (0.2 * normal) ** 0.5 + 0.2 * 4.0 * normal**0.5
    factor[0] = 0.0
    run_for(generator, clock, 60)
    assert len(recorder.requests) == normal + dropped


def test_traffic_of_a_standstill_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    clock, stop = FakeClock(), threading.Event()
    calls = iter(range(10))

    def load() -> float:
        call = next(calls)
        if call == 2:
            clock.now += 600.0  # the machine slept
        if call == 5:
            stop.set()
        return 1.0

    generator, recorder = build(TrafficShape(), clock, load)
    with caplog.at_level(logging.WARNING):
        generator.run(stop)
    assert "stood still" in caplog.text
    assert clock.now < START + 600 + 10
    assert recorder.outcomes["late"] > 5
    assert len(recorder.requests) < 6 * 60


def test_same_seed_same_arrivals_in_order() -> None:
    rates = {"/": 5.0, "/search": 2.0}
    first = arrivals(100.0, 10.0, rates, random.Random(4))
    assert first == arrivals(100.0, 10.0, rates, random.Random(4))
    assert [arrival.time for arrival in first] == sorted(arrival.time for arrival in first)
    assert all(100.0 <= arrival.time < 110.0 for arrival in first)
    assert arrivals(0.0, 10.0, {"/": 0.0}, random.Random(4)) == []


def test_visitors_prefer_popular_products_and_err_now_and_then() -> None:
    visitors = Visitors(random.Random(7))
    products = [
        int(visitors.request("/products/<int:product_id>").path.rpartition("/")[2]) for _ in range(5000)
    ]
    known = [product for product in products if product <= goods.PRODUCTS]
    assert sum(product <= 1000 for product in known) / len(known) == pytest.approx(0.548, abs=0.03)
    assert 0.004 < 1.0 - len(known) / len(products) < 0.02
    logins = [json.loads(visitors.request("/login").body or b"") for _ in range(5000)]
    wrong = sum(login["password"] == "forgotten" for login in logins)
    assert 0.009 < wrong / len(logins) < 0.022


def test_visitors_search_for_the_beginning_of_a_name_that_exists() -> None:
    visitors = Visitors(random.Random(8))
    starts = {f"{colour} {thing}".lower() for colour in goods.COLOURS for thing in goods.THINGS}
    for _ in range(200):
        query = parse_qs(urlsplit(visitors.request("/search").path).query)["q"][0]
        assert any(start.startswith(query) or query.startswith(start) for start in starts), query


class Silent:
    """A transport that fails a number of times and then answers."""

    def __init__(self, failures: int, sent: list[Request], gate: threading.Event | None = None) -> None:
        self._failures = failures
        self._sent = sent
        self._gate = gate

    def send(self, request: Request) -> int:
        if self._gate is not None:
            self._gate.wait(10)
        if self._failures:
            self._failures -= 1
            raise http.client.RemoteDisconnected("the server closed the connection")
        self._sent.append(request)
        return 200

    def close(self) -> None:
        pass


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_full_queue_drops_and_counts_instead_of_waiting() -> None:
    sent: list[Request] = []
    gate = threading.Event()
    workers = Workers(lambda: Silent(0, sent, gate), threads=1, waiting=3)
    for _ in range(10):
        workers.submit(Request("GET", "/"))
    assert workers.outcomes() == {"overflow": 7}
    gate.set()
    workers.start()
    until(lambda: workers.outcomes().get("2xx") == 3)
    workers.stop()


def test_a_failed_request_is_counted_and_the_next_is_sent() -> None:
    sent: list[Request] = []
    workers = Workers(lambda: Silent(2, sent), threads=1)
    for _ in range(4):
        workers.submit(Request("GET", "/"))
    workers.start()
    until(lambda: len(sent) == 2)
    workers.stop()
    assert workers.outcomes() == {"failed": 2, "2xx": 2}


def small_shop(port: int) -> WebServer:
    app = flask.Flask("small")
    app.add_url_rule("/", view_func=lambda: "hello")
    return WebServer(app, WebOptions("127.0.0.1", port))


def test_traffic_goes_on_when_the_shop_comes_back() -> None:
    port = free_port()
    workers = Workers(lambda: ShopClient(f"http://127.0.0.1:{port}"), threads=2)
    workers.start()
    try:
        workers.submit(Request("GET", "/"))
        until(lambda: workers.outcomes().get("failed") == 1)
        server = small_shop(port)
        server.start()
        try:
            workers.submit(Request("GET", "/"))
            workers.submit(Request("GET", "/nowhere"))
            until(lambda: workers.outcomes() == {"failed": 1, "2xx": 1, "4xx": 1})
        finally:
            workers.stop()
            server.stop()
    finally:
        workers.stop()


def test_client_opens_a_new_connection_when_the_server_has_closed_the_old() -> None:
    port = free_port()
    server = small_shop(port)
    server.start()
    client = ShopClient(server.url)
    try:
        assert client.send(Request("GET", "/")) == 200
    finally:
        server.stop()
    successor = small_shop(port)
    successor.start()
    try:
        assert client.send(Request("GET", "/")) == 200
    finally:
        client.close()
        successor.stop()


def test_load_factor_file_round_trips_and_defaults_to_one(tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    assert LOAD.read(file) == 1.0
    LOAD.write(file, 0.2)
    assert LOAD.read(file) == 0.2
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"factor": "much"}', '{"factor": -1}', '{"factor": NaN}', "7"]
)
def test_unusable_load_factor_counts_as_one_and_is_logged(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "load.json"
    file.write_text(text, encoding="utf-8")
    assert LOAD.read(file) == 1.0
    assert "load.json" in caplog.text


def test_impossible_load_factor_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="0 to 50"):
        LOAD.write(tmp_path / "load.json", -0.5)
