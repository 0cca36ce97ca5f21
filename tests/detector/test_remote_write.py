"""Remote write: bytes against the protobuf library, outcomes, the queue and its retries."""

import struct
from collections.abc import Iterable
from random import Random
from typing import Any

import cramjam
import pytest
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from specter_detector.defaults import METRIC_FORMAT
from specter_detector.output import InvalidLabelsError, Sample, output_labels
from specter_detector.remote_write import Outcome, classify, encode
from specter_detector.retry import Backoff
from specter_detector.series import labels_of
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Writer

FIELDS = {
    "Label": [("name", 1, "string", False), ("value", 2, "string", False)],
    "Sample": [("value", 1, "double", False), ("timestamp", 2, "int64", False)],
    "TimeSeries": [("labels", 1, "Label", True), ("samples", 2, "Sample", True)],
    "WriteRequest": [("timeseries", 1, "TimeSeries", True)],
}


@pytest.fixture(scope="module")
def write_request() -> Any:
    """The protobuf library's own WriteRequest class, as the specification defines it."""
    proto = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="prw.proto", package="prw", syntax="proto3")
    scalars = {"string": proto.TYPE_STRING, "double": proto.TYPE_DOUBLE, "int64": proto.TYPE_INT64}
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            added = message.field.add(name=field, number=number, type=scalars.get(kind, proto.TYPE_MESSAGE))
            added.label = proto.LABEL_REPEATED if repeated else proto.LABEL_OPTIONAL
            if kind not in scalars:
                added.type_name = f".prw.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prw.WriteRequest"))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@given(
    st.lists(
        st.tuples(st.dictionaries(TEXT, TEXT, max_size=5), st.floats(), st.integers(0, 2**43)), max_size=5
    )
)
def test_requests_decode_to_what_was_encoded(
    write_request: Any, rows: list[tuple[dict[str, str], float, int]]
) -> None:
    samples = [Sample(labels_of(labels), value, stamp / 1000) for labels, value, stamp in rows]
    decoded = write_request.FromString(encode(samples))
    assert [
        (
            [(label.name, label.value) for label in series.labels],
            [(struct.pack("<d", sample.value), sample.timestamp) for sample in series.samples],
        )
        for series in decoded.timeseries
    ] == [(sorted(labels.items()), [(struct.pack("<d", value), stamp)]) for labels, value, stamp in rows]


def test_an_ended_series_carries_the_staleness_bits() -> None:
    assert struct.pack("<Q", 0x7FF0000000000002) in encode([Sample((("__name__", "x"),), None, 1.0)])


def test_compression_can_be_undone() -> None:
    body = encode([Sample((("__name__", "x"),), 1.0, 1.0)])
    assert bytes(cramjam.snappy.decompress_raw(bytes(cramjam.snappy.compress_raw(body)))) == body


VARIABLES = {"VAR": "yhat", "QUERY_KEY": "q", "MODEL_ALIAS": "m", "SCHEDULER_ALIAS": "s"}


def test_output_keeps_the_inputs_labels_and_renames_what_would_be_overwritten() -> None:
    labels = labels_of({"__name__": "up", "for": "me", "exported_for": "you", "zone": "a"})
    assert dict(output_labels(labels, METRIC_FORMAT, VARIABLES)) == {
        "__name__": "yhat", "for": "q", "exported_for": "you", "exported_exported_for": "me",
        "model_alias": "m", "scheduler_alias": "s", "zone": "a",
    }  # fmt: skip


def test_output_labels_are_sorted_by_name() -> None:
    labels = output_labels(labels_of({"a": "1", "Z": "2"}), METRIC_FORMAT, VARIABLES)
    assert [name for name, _ in labels] == sorted(name for name, _ in labels)


def test_output_names_follow_the_format() -> None:
    named = output_labels((), {"__name__": "specter_$VAR", "query": "$QUERY_KEY/$MODEL_ALIAS"}, VARIABLES)
    assert dict(named) == {"__name__": "specter_yhat", "query": "q/m"}


@pytest.mark.parametrize("labels", [{"a-b": "x"}, {"a": "\udcff"}, {"0a": "x"}])
def test_what_a_server_would_choke_on_is_not_sent(labels: dict[str, str]) -> None:
    with pytest.raises(InvalidLabelsError):
        output_labels(labels_of(labels), METRIC_FORMAT, VARIABLES)


@pytest.mark.parametrize(
    ("status", "body", "header", "kind", "wait"),
    [
        (200, "", None, "ok", 0),
        (204, "", None, "ok", 0),
        (301, "", None, "rejected", 0),
        (400, "duplicate sample for timestamp", None, "rejected", 0),
        (401, "who are you", None, "unreachable", 0),
        (403, "not you", None, "unreachable", 0),
        (404, "remote write receiver needs to be enabled", None, "unreachable", 0),
        (429, "slow down", "7", "unreachable", 7),
        (429, "slow down", "Wed, 21 Oct 2026 07:28:00 GMT", "unreachable", 0),
        (500, "too old sample", None, "rejected", 0),
        (500, "out of bounds", None, "rejected", 0),
        (500, "disk full", None, "unreachable", 0),
        (503, "", None, "unreachable", 0),
    ],
)
def test_answers_are_sorted_into_success_retry_and_final(
    status: int, body: str, header: str | None, kind: str, wait: float
) -> None:
    outcome = classify(status, body, header)
    assert (outcome.kind, outcome.retry_after) == (kind, wait)


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
    """Answers with the planned outcomes, then takes everything; refuses series called bad."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.taken: list[Sample] = []
        self.requests = 0

    def send(self, samples: Iterable[Sample], timeout: float) -> Outcome:
        batch = list(samples)
        self.requests += 1
        if self.outcomes:
            return self.outcomes.pop(0)
        if any(dict(sample.labels)["__name__"] == "bad" for sample in batch):
            return Outcome("rejected", "HTTP 400: bad one")
        self.taken += batch
        return Outcome("ok")


def a(name: str, at: float = 900.0) -> Sample:
    return Sample((("__name__", name),), 1.0, at)


def writer_for(server: FakeServer, max_pending: int = 100) -> tuple[Writer, FakeClock, CollectorRegistry]:
    clock, registry = FakeClock(), CollectorRegistry()
    writer = Writer(
        server,
        clock=clock,
        random=Random(1),
        telemetry=Telemetry(registry),
        max_pending=max_pending,
        timeout=5,
    )
    return writer, clock, registry


def dropped(registry: CollectorRegistry, reason: str) -> float | None:
    return registry.get_sample_value("specter_detector_samples_dropped_total", {"reason": reason})


def test_a_lost_connection_is_retried_with_growing_random_pauses() -> None:
    server = FakeServer(*[Outcome("unreachable", "ConnectionError")] * 3)
    writer, clock, registry = writer_for(server)
    writer.enqueue([a("x")])
    assert writer.flush(60)
    assert server.taken == [a("x")]
    assert len(clock.slept) == 3
    assert all(0.025 <= pause <= limit for pause, limit in zip(clock.slept, (0.1, 0.2, 0.4), strict=True))
    labels = {"outcome": "unreachable"}
    assert registry.get_sample_value("specter_detector_writes_total", labels) == 3


def test_the_servers_own_wait_is_respected() -> None:
    server = FakeServer(Outcome("unreachable", "HTTP 429", retry_after=7))
    writer, clock, _ = writer_for(server)
    writer.enqueue([a("x")])
    assert writer.flush(60)
    assert clock.slept == [7]


def test_what_is_not_delivered_in_time_waits_for_the_next_flush_oldest_first() -> None:
    server = FakeServer(*[Outcome("unreachable", "ConnectionError")] * 50)
    writer, _, _ = writer_for(server)
    writer.enqueue([a("x", 900)])
    assert not writer.flush(3)
    server.outcomes.clear()
    writer.enqueue([a("x", 915)])
    assert writer.flush(3)
    assert [sample.timestamp for sample in server.taken] == [900, 915]


def test_a_server_that_stays_away_does_not_fill_the_memory() -> None:
    writer, _, registry = writer_for(FakeServer(), max_pending=2)
    for at in (900, 915, 930):
        writer.enqueue([a("x", at)])
    assert writer.pending == 2
    assert dropped(registry, "unreachable") == 1


def test_one_bad_series_is_dropped_alone(caplog: pytest.LogCaptureFixture) -> None:
    server = FakeServer()
    writer, _, registry = writer_for(server)
    good = [a(f"good{number}") for number in range(15)]
    writer.enqueue([*good[:7], a("bad"), *good[7:]])
    assert writer.flush(5)
    assert sorted(server.taken, key=str) == sorted(good, key=str)
    assert dropped(registry, "rejected") == 1
    assert "1 of 16 samples refused, dropped: HTTP 400: bad one" in caplog.text


def test_a_batch_of_nothing_but_bad_series_costs_a_bounded_number_of_requests() -> None:
    server = FakeServer()
    writer, _, registry = writer_for(server, max_pending=10_000)
    writer.enqueue([Sample((("__name__", "bad"), ("i", str(i))), 1.0, 900) for i in range(1000)])
    assert writer.flush(5)
    assert server.requests <= 65
    assert dropped(registry, "rejected") == 1000


def test_the_future_and_the_repeated_are_never_sent() -> None:
    server = FakeServer()
    writer, _, registry = writer_for(server)
    writer.enqueue([a("x", 1000.001), a("y", 1000), a("y", 1000)])
    assert writer.flush(5)
    assert server.taken == [a("y", 1000)]
    assert (dropped(registry, "future"), dropped(registry, "duplicate")) == (1, 1)


@given(st.integers(0, 1000), st.integers())
def test_a_pause_is_never_nothing_and_never_beyond_the_cap(attempt: int, seed: int) -> None:
    assert 0.125 <= Backoff(0.5, 30).delay(attempt, Random(seed)) <= 30
