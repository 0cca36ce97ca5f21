"""The trace a request belongs to, as W3C Trace Context writes it (https://www.w3.org/TR/trace-context/)."""

import re
import secrets

TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
INVALID = "0" * 32


def trace_id(traceparent: str | None) -> str:
    """Return the trace id (32 hex digits) of a `traceparent` header; a new one when it has none."""
    match = TRACEPARENT.fullmatch(traceparent or "")
    if match and match[1] != INVALID:
        return match[1]
    return secrets.token_hex(16)


def traceparent(trace: str) -> str:
    """Return the header that carries `trace` on to the next service, as a new span of it."""
    return f"00-{trace}-{secrets.token_hex(8)}-01"
