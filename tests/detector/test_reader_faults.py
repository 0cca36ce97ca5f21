"""What servers, proxies and networks do wrong: one of three errors each, in time, and within bounds."""

import gzip
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest

from specter_core.config import parse_config
from specter_detector import reader as reader_module
from specter_detector.config import Query, resolve
from specter_detector.datasource import DatasourceError, TooLargeError
from specter_detector.http import open_session
from specter_detector.reader import PrometheusReader, RefusedError, SlowError, UnreachableError
from specter_detector.schema import DetectorSchema
from specter_detector.series import labels_of
from tests.servers.faulty import ONE_LINE, ONE_ROW, Request, faulty_server

AB = labels_of({"a": "b"})


@contextmanager
def reading(url: str, reader: str = "", **keys: object) -> Iterator[tuple[PrometheusReader, Query]]:
    text = ", ".join(f"{key}: {value}" for key, value in {"expr": "x", **keys}.items())
    document = f"reader: {{datasource_url: '{url}', {reader} queries: {{q: {{{text}}}}}}}"
    config = resolve(parse_config(document, DetectorSchema, file="test"))
    with closing(PrometheusReader(config.reader, open_session(config.reader.connection))) as opened:
        yield opened, config.reader.queries["q"]


def only_the_query(respond: Callable[[Request], None]) -> Callable[[Request], None]:
    """Answer the probe rightly, and all else by `respond`."""
    return lambda request: (
        request.answer(ONE_ROW) if request.params.get("query") == "vector(1)" else respond(request)
    )


def error(kind: str, message: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": message}).encode()


def cut_connection(request: Request) -> None:
    request.answer(ONE_ROW[:40], length=len(ONE_ROW))
    request.handler.connection.shutdown(socket.SHUT_RDWR)
    request.handler.close_connection = True


def hang_in_the_middle(request: Request) -> None:
    request.answer(ONE_ROW[:40], length=len(ONE_ROW))
    request.hang()


def cut_chunks(request: Request) -> None:
    request.handler.send_response(200)
    request.handler.send_header("Transfer-Encoding", "chunked")
    request.handler.end_headers()
    request.handler.wfile.write(b"ffff\r\n" + ONE_ROW)
    request.handler.connection.shutdown(socket.SHUT_RDWR)
    request.handler.close_connection = True


def close_at_once(request: Request) -> None:
    request.handler.connection.shutdown(socket.SHUT_RDWR)
    request.handler.close_connection = True


ANSWERS: dict[str, tuple[Callable[[Request], None], type[DatasourceError], str]] = {
    "422": (
        lambda r: r.answer(error("execution", "found duplicate series"), 422),
        RefusedError,
        "execution: found duplicate series",
    ),
    "400": (lambda r: r.answer(error("bad_data", "parse error"), 400), RefusedError, "bad_data: parse error"),
    "401": (lambda r: r.answer(b"", 401), RefusedError, "HTTP 401 .*check the login"),
    "too many samples": (
        lambda r: r.answer(error("execution", "query processing would load too many samples"), 422),
        RefusedError,
        "too many samples",
    ),
    "timed out": (
        lambda r: r.answer(error("timeout", "query timed out in expression evaluation"), 503),
        SlowError,
        "query timed out",
    ),
    "gateway": (lambda r: r.answer(b"<html>", 504), SlowError, "HTTP 504"),
    "starting": (lambda r: r.answer(b"Service Unavailable", 503), UnreachableError, "HTTP 503"),
    "shutting down": (
        lambda r: r.answer(error("canceled", "query was canceled"), 503), UnreachableError, "canceled",
    ),
    "overloaded": (lambda r: r.answer(b"", 429, Retry_After="17"), UnreachableError, "HTTP 429"),
    "redirect": (
        lambda r: r.answer(b"", 302, Location="http://elsewhere.example/"), RefusedError, "not followed",
    ),
    "html": (lambda r: r.answer(b"<!doctype html><title>Log in"), RefusedError, "not JSON"),
    "truncated": (lambda r: r.answer(ONE_ROW[:-5]), RefusedError, "ends in the middle"),
    "cut": (cut_connection, UnreachableError, "IncompleteRead|bytes"),
    "cut in a chunk": (cut_chunks, UnreachableError, "IncompleteRead|bytes"),
    "closed": (close_at_once, UnreachableError, "closed connection|reset|aborted"),
    "hanging": (lambda r: r.hang(), SlowError, r"no answer within 0\.\d+ s"),
    "hanging in the middle": (hang_in_the_middle, SlowError, "no answer within|no whole answer within"),
    "dripping": (lambda r: r.drip(ONE_ROW, 0.02), SlowError, "no whole answer within|no answer within"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ANSWERS))
def test_each_fault_is_one_of_three_errors(name: str) -> None:
    respond, kind, message = ANSWERS[name]
    with (
        faulty_server(only_the_query(respond)) as server,
        reading(server.url, "timeout: 400ms,") as (reader, query),
    ):
        started = time.monotonic()
        with pytest.raises(kind, match=message) as caught:
            reader.instant(query, 900.0)
        assert time.monotonic() - started < 3
    if isinstance(caught.value, UnreachableError):
        assert caught.value.retry_after == (17.0 if name == "overloaded" else 0.0)


def test_a_server_that_hangs_at_the_probe_too_is_out_of_reach() -> None:
    with (
        faulty_server(Request.hang) as server,
        reading(server.url, "timeout: 200ms,") as (reader, query),
        pytest.raises(UnreachableError),
    ):
        reader.instant(query, 900.0)


def test_a_call_has_a_deadline_of_its_own_which_the_server_is_told() -> None:
    with faulty_server(only_the_query(Request.hang)) as server, reading(server.url) as (reader, query):
        started = time.monotonic()
        with pytest.raises(SlowError, match=r"no answer within 0\.\d+ s"):
            reader.instant(query, 900.0, timeout=0.2)
        assert time.monotonic() - started < 2
        assert 0.1 < float(server.asked[0].params["timeout"]) <= 0.2


def test_a_range_that_is_too_slow_is_asked_for_in_smaller_pieces() -> None:
    lengths: list[float] = []

    def respond(request: Request) -> None:
        length = float(request.params["end"]) - float(request.params["start"])
        lengths.append(length)
        if length > 100 * 300:
            request.answer(error("timeout", "query timed out in query execution"), 503)
        else:
            line = json.dumps([[float(request.params["start"]), "2"]], separators=(",", ":")).encode()
            request.answer(ONE_LINE.replace(b'[[900,"2"]]', line))

    expr = "'sum(x)'"
    with faulty_server(only_the_query(respond)) as server, reading(server.url, expr=expr) as (reader, query):
        history = reader.history(query, 0, 999 * 300)
    assert lengths[:3] == [999 * 300, 249 * 300, 61 * 300]
    assert max(lengths[2:]) <= 62 * 300
    assert history.labels == (AB,)
    starts = np.flatnonzero(np.isfinite(history.values[0]))
    assert starts.tolist() == [*range(0, 1000, starts[1])]


def test_one_connection_serves_many_calls() -> None:
    ports = set[int]()

    def respond(request: Request) -> None:
        ports.add(request.handler.client_address[1])
        request.answer(ONE_LINE if "start" in request.params else ONE_ROW)

    with faulty_server(respond) as server, reading(server.url, expr="'sum(x)'") as (reader, query):
        for _ in range(5):
            reader.instant(query, 900.0)
            reader.history(query, 900.0, 900.0)
            reader.probe()
    assert len(ports) == 1


def test_warnings_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    body = ONE_ROW[:-1] + b',"warnings":["a store is away"]}'
    with faulty_server(lambda r: r.answer(body)) as server, reading(server.url) as (reader, query):
        for _ in range(3):
            assert reader.instant(query, 900.0).samples == {AB: 2.0}
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == ["query q: the server warns: a store is away"]


def test_an_answer_that_a_proxy_compressed_is_read() -> None:
    def respond(request: Request) -> None:
        assert request.headers["Accept-Encoding"] == "identity"
        request.answer(gzip.compress(ONE_ROW), Content_Encoding="gzip")

    with faulty_server(respond) as server, reading(server.url) as (reader, query):
        assert reader.instant(query, 900.0).samples == {AB: 2.0}


def crowd(size: int) -> bytes:
    rows = ",".join(f'{{"metric":{{"pod":"p{i:06}"}},"value":[900,"{i}"]}}' for i in range(size))
    return ONE_ROW.split(b"[")[0] + b"[" + rows.encode() + b"]}}"


def test_ten_times_the_series_cost_the_new_ones_alone_and_no_memory_is_kept() -> None:
    known = labels_of({"pod": "p009999"})
    sizes = iter([1000, 10_000, 1000])
    with (
        faulty_server(lambda r: r.answer(crowd(next(sizes)))) as server,
        reading(server.url, max_series=1000) as (reader, query),
    ):
        before = reader.instant(query, 900.0)
        burst = reader.instant(query, 900.0, {known, *list(before.samples)[500:]})
        after = reader.instant(query, 900.0)
    assert (before.cut, burst.cut, after.cut) == (0, 9000, 0)
    assert len(burst.samples) == 1000
    assert burst.samples[known] == 9999.0
    assert set(before.samples) - set(burst.samples) == {labels_of({"pod": "p000499"})}
    assert after.samples == before.samples
    objects = {id(labels) for labels in before.samples}
    assert sum(id(labels) in objects for labels in after.samples) == 999


def test_an_answer_beyond_all_bounds_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "LEAST_ANSWER", 1 << 20)
    monkeypatch.setattr(reader_module, "ANSWER_PER_SERIES", 0)
    sent: list[int] = []

    def endless(request: Request) -> None:
        request.answer(crowd(1)[:-3], length=1 << 40)
        row = b"," + crowd(1000).split(b"[", 1)[1][:-3]
        try:
            for _ in range(100_000):
                request.handler.wfile.write(row)
                sent.append(len(row))
        except OSError:
            request.handler.close_connection = True

    with (
        faulty_server(endless) as server,
        reading(server.url, "timeout: 60s,") as (reader, query),
        pytest.raises(TooLargeError, match=r"longer than 1 MiB.*max_series"),
    ):
        reader.instant(query, 900.0)
    assert sum(sent) < 100 << 20


def test_many_threads_ask_at_once_and_no_more_than_allowed() -> None:
    lock, running, most = threading.Lock(), [0], [0]
    full = threading.Event()

    def respond(request: Request) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
            if running[0] == 3:
                full.set()
        full.wait(10)
        number = request.params["query"].split('n="')[1].split('"')[0]
        with lock:
            running[0] -= 1
        request.answer(ONE_ROW.replace(b'"2"', f'"{number}"'.encode()))

    with (
        faulty_server(respond) as server,
        reading(server.url, "max_concurrent_queries: 3,") as (reader, query),
        ThreadPoolExecutor(16) as threads,
    ):
        queries = [replace(query, alias=f"q{n}", expr=f'x{{n="{n}"}}') for n in range(60)]
        vectors = list(threads.map(lambda each: reader.instant(each, 900.0), queries))
    assert [vector.samples[AB] for vector in vectors] == [float(n) for n in range(60)]
    assert most[0] == 3


def test_who_finds_no_place_in_time_is_told_so() -> None:
    with (
        faulty_server(only_the_query(Request.hang)) as server,
        reading(server.url, "max_concurrent_queries: 1,") as (reader, query),
        ThreadPoolExecutor(1) as threads,
    ):
        slow = threads.submit(reader.instant, query, 900.0, timeout=1.0)
        deadline = time.monotonic() + 5
        while not server.asked:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        with pytest.raises(SlowError, match="max_concurrent_queries"):
            reader.instant(query, 900.0, timeout=0.1)
        with pytest.raises(SlowError):
            slow.result(timeout=5)


def test_closing_does_not_wait_for_calls_that_run() -> None:
    arrived = threading.Event()

    def respond(request: Request) -> None:
        arrived.set()
        request.drip(ONE_ROW, 0.05)

    with (
        faulty_server(respond) as server,
        reading(server.url, "max_concurrent_queries: 1, timeout: 30s,") as (reader, query),
        ThreadPoolExecutor(2) as threads,
    ):
        calls = [threads.submit(reader.instant, query, 900.0) for _ in range(2)]
        assert arrived.wait(5)
        started = time.monotonic()
        reader.close()
        for call in calls:
            with pytest.raises(UnreachableError, match="closed"):
                call.result(timeout=5)
        assert time.monotonic() - started < 2
        with pytest.raises(UnreachableError, match="closed"):
            reader.instant(query, 900.0)
