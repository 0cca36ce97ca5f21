"""Exemplars: from OpenTelemetry's span or the traceparent header, in OpenMetrics only."""

import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Exemplar

from specter_exporters.app import AsgiMiddleware, Recorder, WsgiMiddleware
from specter_exporters.app.exemplars import exemplar_of_header
from specter_exporters.app.exposition import answer
from tests.exporters.driving import DURATION, TRACEPARENT, AsgiServer, Timer, get, http_scope

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
LABELS = {"trace_id": TRACE, "span_id": SPAN}
OPENMETRICS = "application/openmetrics-text"


@dataclass
class FakeSpan:
    """An OpenTelemetry span: the same attributes as `opentelemetry.trace.NonRecordingSpan`."""

    trace_id: int = 0xABC
    span_id: int = 0xDEF
    is_valid: bool = True
    sampled: bool = True

    def get_span_context(self) -> Any:
        flags = SimpleNamespace(sampled=self.sampled)
        return SimpleNamespace(
            trace_id=self.trace_id, span_id=self.span_id, is_valid=self.is_valid, trace_flags=flags
        )


def exemplars(recorder: Recorder) -> list[Exemplar]:
    text = answer(recorder.registry, "GET", OPENMETRICS).body.decode()
    return [
        sample.exemplar
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for sample in family.samples
        if sample.exemplar is not None
    ]


def served(recorder: Recorder, timer: Timer, **headers: str) -> Recorder:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        timer.advance(0.25)
        return [b"ok"]

    assert get(WsgiMiddleware(app, recorder), **headers) == "200 OK"
    return recorder


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (TRACEPARENT, LABELS),
        (TRACEPARENT[:-2] + "03", LABELS),
        (TRACEPARENT[:-2] + "00", None),
        (TRACEPARENT[:-2] + "02", None),
        ("cc" + TRACEPARENT[2:], LABELS),
        ("cc" + TRACEPARENT[2:] + "-what-the-future-will-be-like", LABELS),
        (TRACEPARENT + "-more", None),
        ("ff" + TRACEPARENT[2:], None),
        (TRACEPARENT.upper(), None),
        (TRACEPARENT + "\n", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE[:-1]}-{SPAN}-01", None),
        (f"00-{'g' * 32}-{SPAN}-01", None),
        (f"{TRACEPARENT},{TRACEPARENT}", None),
        ("", None),
        ("nonsense", None),
        ('"} 1 # {a="', None),
    ],
)
def test_only_a_valid_sampled_header_names_a_trace(header: str, expected: dict[str, str] | None) -> None:
    assert exemplar_of_header(header) == expected


def test_exemplar_is_in_openmetrics_on_the_right_bucket() -> None:
    timer = Timer()
    recorder = served(Recorder(timer=timer), timer, HTTP_TRACEPARENT=TRACEPARENT)
    text = answer(recorder.registry, "GET", OPENMETRICS).body.decode()
    (line,) = [line for line in text.splitlines() if "trace_id" in line]
    assert line.startswith(f"{DURATION}_bucket{{")
    assert 'le="0.25"' in line
    (exemplar,) = exemplars(recorder)
    assert (exemplar.labels, exemplar.value) == (LABELS, 0.25)


def test_exemplar_is_not_in_the_text_format() -> None:
    timer = Timer()
    recorder = served(Recorder(timer=timer), timer, HTTP_TRACEPARENT=TRACEPARENT)
    assert TRACE.encode() not in answer(recorder.registry, "GET", "text/plain").body


def test_invalid_header_is_served_without_exemplar() -> None:
    timer = Timer()
    assert exemplars(served(Recorder(timer=timer), timer, HTTP_TRACEPARENT="00-zz-1")) == []


def test_sampled_span_wins_over_the_header() -> None:
    timer = Timer()
    recorder = Recorder(timer=timer, current_span=FakeSpan)
    (exemplar,) = exemplars(served(recorder, timer, HTTP_TRACEPARENT=TRACEPARENT))
    assert exemplar.labels == {"trace_id": "abc".rjust(32, "0"), "span_id": "def".rjust(16, "0")}


@pytest.mark.parametrize("span", [FakeSpan(sampled=False), FakeSpan(is_valid=False)])
def test_span_that_nobody_keeps_leaves_the_header(span: FakeSpan) -> None:
    timer = Timer()
    recorder = Recorder(timer=timer, current_span=lambda: span)
    (exemplar,) = exemplars(served(recorder, timer, HTTP_TRACEPARENT=TRACEPARENT))
    assert exemplar.labels == LABELS


def test_installed_opentelemetry_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = ModuleType("opentelemetry.trace")
    trace.get_current_span = FakeSpan  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "opentelemetry", ModuleType("opentelemetry"))
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", trace)
    timer = Timer()
    (exemplar,) = exemplars(served(Recorder(timer=timer), timer))
    assert exemplar.labels["trace_id"] == "abc".rjust(32, "0")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"traceparent", TRACEPARENT.encode())], [LABELS]),
        ([(b"traceparent", TRACEPARENT.encode())] * 2, []),
        ([(b"traceparent", b"\xff\xfe")], []),
        ([], []),
    ],
)
def test_asgi_reads_the_header(headers: list[tuple[bytes, bytes]], expected: list[dict[str, str]]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    recorder, server = Recorder(), AsgiServer()
    server.serve(AsgiMiddleware(app, recorder), http_scope(headers=headers))
    assert server.status == 200
    assert [exemplar.labels for exemplar in exemplars(recorder)] == expected
