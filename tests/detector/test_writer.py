"""The writer: what becomes of answers, retries, order, bounds, and one bad series among many."""

import datetime as dt
from email.utils import format_datetime
from random import Random

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from specter_detector.isolation import FRUITLESS, MAX_REQUESTS
from specter_detector.outputs import Written
from specter_detector.packing import DEFAULT_LIMITS, Limits
from specter_detector.protobuf import Record, record_of
from specter_detector.remote_write import LONGEST_RETRY_AFTER, Outcome, classify, retry_after
from specter_detector.retry import Backoff
from specter_detector.spool import MemorySpool
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Writer
from tests.detector.records import dropped, name_of, records_in, written_of


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (200, "", "ok", ""),
        (204, "", "ok", ""),
        (302, "to the login", "unreachable", ""),
        (400, "duplicate sample for timestamp", "rejected", "conflict"),
        (400, "out of order sample", "rejected", "out_of_order"),
        (400, "out of bounds", "rejected", "too_old"),
        (400, "what is this", "rejected", "rejected"),
        (401, "who are you", "unreachable", ""),
        (403, "not you", "unreachable", ""),
        (404, "remote write receiver needs to be enabled", "unreachable", ""),
        (413, "too large", "rejected", "rejected"),
        (429, "slow down", "unreachable", ""),
        (500, "too old sample", "rejected", "too_old"),
        (500, "disk full", "unreachable", ""),
        (503, "", "unreachable", ""),
    ],
)
def test_answers_are_sorted_into_success_retry_and_final(
    status: int, body: str, kind: str, reason: str
) -> None:
    outcome = classify(status, body, 3.0)
    assert (outcome.kind, outcome.reason) == (kind, reason)
    assert outcome.retry_after == (3.0 if kind == "unreachable" else 0.0)
    # Whatever flag an old Prometheus names.
    advice = "; Prometheus needs --web.enable-remote-write-receiver"
    assert outcome.message.endswith(advice) == (status == 404)


def at_date(seconds: float) -> str:
    return format_datetime(dt.datetime.fromtimestamp(seconds, dt.UTC), usegmt=True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0), ("7", 7.0), (at_date(1007), 7.0), (at_date(990), 0.0), ("soon", 0.0), ("-3", 0.0),
        ("99999999999999999999", LONGEST_RETRY_AFTER), (at_date(999_999), LONGEST_RETRY_AFTER),
    ],
)  # fmt: skip
def test_a_server_names_its_pause_in_seconds_or_as_a_date(header: str | None, seconds: float) -> None:
    response = requests.Response()
    if header is not None:
        response.headers["Retry-After"] = header
    assert retry_after(response, 1000.0) == seconds


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class FakeServer:
    """Answers with the planned outcomes, then takes everything but requests with series called bad."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.taken: list[Record] = []
        self.requests: list[list[Record]] = []
        self.takes = 0.0
        self.clock: FakeClock | None = None

    def send(self, body: bytes, timeout: float) -> Outcome:
        records = records_in([body])
        self.requests.append(records)
        if self.clock is not None:
            self.clock.now += self.takes
        if self.outcomes:
            return self.outcomes.pop(0)
        if any(name_of(record) == "bad" for record in records):
            return Outcome("rejected", "HTTP 400: bad one", reason="conflict")
        self.taken += records
        return Outcome("ok")


def a(name: str, at: float = 900.0) -> Record:
    return record_of((("__name__", name),), 1.0, at)


def writer_for(
    server: FakeServer, *, max_bytes: int = 1 << 20, max_age: float = 86400.0, limits: Limits = DEFAULT_LIMITS
) -> tuple[Writer, FakeClock, CollectorRegistry]:
    clock, registry = FakeClock(), CollectorRegistry()
    server.clock = clock
    telemetry = Telemetry(registry)
    spool = MemorySpool(max_bytes, max_age, telemetry.dropped)
    writer = Writer(
        server, spool, clock=clock, random=Random(1), telemetry=telemetry, timeout=5, limits=limits
    )
    return writer, clock, registry


def enqueue(writer: Writer, *records: Record, at: float = 900.0, scores_of: str = "") -> None:
    writer.enqueue("s", at, [written_of(records, scores_of)])


def test_a_lost_connection_is_retried_with_growing_random_pauses() -> None:
    server = FakeServer(*[Outcome("unreachable", "ConnectionError")] * 3)
    writer, clock, registry = writer_for(server)
    enqueue(writer, a("x"))
    assert writer.flush(60)
    assert server.taken == [a("x")]
    assert len(clock.slept) == 3
    assert all(0.0249 <= pause <= limit for pause, limit in zip(clock.slept, (0.1, 0.2, 0.4), strict=True))
    labels = {"outcome": "unreachable"}
    assert registry.get_sample_value("specter_detector_writes_total", labels) == 3


def test_the_servers_own_wait_is_respected_beyond_the_flush() -> None:
    server = FakeServer(Outcome("unreachable", "HTTP 429", retry_after=7))
    writer, clock, _ = writer_for(server)
    enqueue(writer, a("x"))
    assert not writer.flush(5)
    clock.now += 4
    assert not writer.flush(2)
    assert len(server.requests) == 1
    clock.now += 1
    assert writer.flush(5)
    assert clock.now == 1007
    assert server.taken == [a("x")]


def test_what_is_not_delivered_in_time_waits_for_the_next_flush_oldest_first() -> None:
    server = FakeServer(*[Outcome("unreachable", "ConnectionError")] * 50)
    writer, _, _ = writer_for(server)
    enqueue(writer, a("x", 900))
    assert not writer.flush(3)
    server.outcomes.clear()
    enqueue(writer, a("x", 915), at=915)
    assert writer.flush(10)
    assert [record.timestamp for record in server.taken] == [900_000, 915_000]


def test_a_backlog_is_sent_in_order_and_within_the_budget() -> None:
    server = FakeServer()
    server.takes = 1.0
    writer, clock, _ = writer_for(server)
    for at in range(900, 930):
        enqueue(writer, a("x", at), at=at)
    assert not writer.flush(10)
    assert clock.now == 1010
    assert writer.flush(60)
    assert [record.timestamp for record in server.taken] == [1000 * at for at in range(900, 930)]


def test_a_server_that_stays_away_does_not_fill_the_memory() -> None:
    server = FakeServer(*[Outcome("unreachable", "ConnectionError")] * 9)
    writer, _, registry = writer_for(server, max_bytes=100)
    for at in range(900, 950):
        enqueue(writer, a("x", at), at=at)
    kept = writer.pending
    assert 1 < kept < 10
    assert dropped(registry, "spool_full") == 50 - kept
    assert registry.get_sample_value("specter_detector_spool_samples") == kept
    assert (registry.get_sample_value("specter_detector_spool_bytes") or 0) <= 100
    assert registry.get_sample_value("specter_detector_spool_persistent") == 0
    server.outcomes.clear()
    assert writer.flush(60)
    assert [record.timestamp for record in server.taken] == [1000 * at for at in range(950 - kept, 950)]


def test_what_is_too_old_is_not_sent_any_more() -> None:
    server = FakeServer()
    writer, clock, registry = writer_for(server, max_age=150)
    enqueue(writer, a("x", 900), a("y", 900))
    enqueue(writer, a("x", 915), at=915)
    clock.now = 1055
    assert writer.flush(5)
    assert server.taken == [a("x", 915)]
    assert dropped(registry, "expired") == 2


def test_one_bad_series_among_a_thousand_is_dropped_alone(caplog: pytest.LogCaptureFixture) -> None:
    server = FakeServer()
    writer, _, registry = writer_for(server)
    good = [a(f"good{number}") for number in range(999)]
    enqueue(writer, *good[:700], a("bad"), *good[700:])
    assert writer.flush(5)
    assert sorted(server.taken, key=str) == sorted(good, key=str)
    assert len(server.requests) <= 21
    assert dropped(registry, "conflict") == 1
    assert registry.get_sample_value("specter_detector_samples_written_total") == 999
    assert "1 of 1000 samples refused, dropped: HTTP 400: bad one" in caplog.text


def test_a_batch_of_nothing_but_bad_series_costs_a_bounded_number_of_requests() -> None:
    server = FakeServer()
    writer, _, registry = writer_for(server)
    enqueue(writer, *[record_of((("__name__", "bad"), ("i", str(i))), 1.0, 900) for i in range(1000)])
    assert writer.flush(5)
    assert len(server.requests) == FRUITLESS + 1
    assert dropped(registry, "conflict") == 1000


def test_many_bad_series_cost_a_bounded_number_of_requests_and_few_of_the_others() -> None:
    server = FakeServer()
    writer, _, registry = writer_for(server)
    bad = set(Random(1).sample(range(1000), 10))
    enqueue(writer, *[a("bad" if i in bad else f"x{i}") for i in range(1000)])
    assert writer.flush(5)
    assert len(server.requests) <= MAX_REQUESTS + 1
    assert dropped(registry, "conflict") == 10
    assert len(server.taken) == 990


def test_a_server_that_goes_away_while_a_batch_is_halved_loses_nothing() -> None:
    server = FakeServer(Outcome("rejected", "HTTP 400"), *[Outcome("unreachable", "gone")] * 9)
    writer, _, registry = writer_for(server)
    batch = [record_of((("__name__", "x"), ("i", str(i))), 1.0, 900.0) for i in range(8)]
    enqueue(writer, *batch, scores_of="q")
    assert not writer.flush(0.2)
    assert writer.pending == 8
    server.outcomes.clear()
    assert writer.flush(10)
    assert server.taken == batch
    assert dropped(registry, "rejected") in (None, 0)
    last = registry.get_sample_value("specter_detector_last_tick_timestamp_seconds", {"query": "q"})
    assert last == 900.0


def test_a_query_whose_scores_were_all_refused_does_not_count_as_written() -> None:
    server = FakeServer()
    writer, _, registry = writer_for(server)
    good, bad = written_of([a("good")], "good"), written_of([a("bad")], "bad")
    writer.enqueue("s", 900.0, [good, bad])
    assert writer.flush(5)
    value = registry.get_sample_value
    assert value("specter_detector_last_tick_timestamp_seconds", {"query": "good"}) == 900.0
    assert value("specter_detector_last_tick_timestamp_seconds", {"query": "bad"}) is None


def test_the_future_is_never_sent() -> None:
    server = FakeServer()
    writer, clock, registry = writer_for(server)
    enqueue(writer, a("x", 1000.001), at=1000.001)
    enqueue(writer, a("y", 1000), at=1000)
    clock.now = 500
    assert writer.flush(5)
    assert server.taken == []
    assert dropped(registry, "future") == 2


def test_requests_are_no_larger_than_told() -> None:
    server = FakeServer()
    writer, _, _ = writer_for(server, limits=Limits(samples=10))
    enqueue(writer, *[a(f"x{i}") for i in range(25)])
    assert writer.flush(5)
    assert [len(records) for records in server.requests] == [10, 10, 5]


def test_what_cannot_be_written_is_counted_always_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    writer, _, registry = writer_for(FakeServer())
    bad = Written("q", (), invalid=((("not-a-name", "1"),),), duplicates=((("a", "1"),),) * 2, outputs=4)
    for at in (900.0, 915.0):
        writer.enqueue("s", at, [bad])
    assert (dropped(registry, "invalid"), dropped(registry, "duplicate")) == (8, 16)
    assert [record.message for record in caplog.records] == [
        'query q: 1 series have labels that cannot be written, such as {not-a-name="1"}',
        'query q: 2 series have outputs that another series writes already, such as {a="1"}',
    ]


def test_the_last_tick_is_known_though_it_was_delivered() -> None:
    writer, _, _ = writer_for(FakeServer())
    assert writer.last_tick("s") is None
    enqueue(writer, a("x"))
    assert writer.flush(5)
    assert (writer.last_tick("s"), writer.last_tick("other")) == (900.0, None)


@given(st.integers(0, 1000), st.integers())
def test_a_pause_is_never_nothing_and_never_beyond_the_cap(attempt: int, seed: int) -> None:
    assert 0.125 <= Backoff(0.5, 30).delay(attempt, Random(seed)) <= 30
