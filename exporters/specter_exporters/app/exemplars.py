"""Exemplars: the trace that a measured request belongs to."""

import re
import sys
from typing import Protocol

# https://www.w3.org/TR/trace-context/#traceparent-header: lower-case hex only.
TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
NO_TRACE = "0" * 32
NO_SPAN = "0" * 16
SAMPLED = 1


class TraceFlags(Protocol):
    """`opentelemetry.trace.TraceFlags`."""

    @property
    def sampled(self) -> bool:
        """Whether the trace is recorded."""


class SpanContext(Protocol):
    """`opentelemetry.trace.SpanContext`."""

    @property
    def trace_id(self) -> int:
        """128 bits."""

    @property
    def span_id(self) -> int:
        """64 bits."""

    @property
    def is_valid(self) -> bool:
        """Whether both identifiers are other than zero."""

    @property
    def trace_flags(self) -> TraceFlags:
        """The W3C trace flags."""


class Span(Protocol):
    """`opentelemetry.trace.Span`, as far as it is read here."""

    def get_span_context(self) -> SpanContext:
        """Return the identifiers of the span."""


# Nobody has made a span before this is imported; where it is not, looking costs 30 ns.
OPENTELEMETRY = "opentelemetry.trace"


def opentelemetry_span() -> Span | None:
    """Return OpenTelemetry's current span; None where nobody has imported its API, or none is active."""
    trace = sys.modules.get(OPENTELEMETRY)
    if trace is None or not hasattr(trace, "get_current_span"):  # which it has not while it is imported
        return None
    span: Span = trace.get_current_span()
    return None if span is getattr(trace, "INVALID_SPAN", None) else span


def exemplar_of_span(span: Span) -> dict[str, str] | None:
    """Return the exemplar's labels for `span`, or None when it is invalid or not sampled."""
    context = span.get_span_context()
    if not context.is_valid or not context.trace_flags.sampled:
        return None
    return {"trace_id": format(context.trace_id, "032x"), "span_id": format(context.span_id, "016x")}


def exemplar_of_header(traceparent: str) -> dict[str, str] | None:
    """Return the exemplar's labels for a W3C `traceparent` header.

    None when the header is malformed, of the forbidden version ff, all zero, or
    not sampled. Versions above 00 may carry more fields, as the standard says.
    """
    match = TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest):
        return None
    if trace_id == NO_TRACE or span_id == NO_SPAN or not int(flags, 16) & SAMPLED:
        return None
    return {"trace_id": trace_id, "span_id": span_id}
