"""JSON, one object a line: pino, winston, structlog and most others; nginx with a JSON log_format."""

from collections.abc import Mapping, Sequence

import orjson

from specter_exporters.logs.formats.exceptions import continues_exception, looks_like_exception
from specter_exporters.logs.formats.model import Format, Parsed, Reason, bad_text

JSON_DEFAULTS: Mapping[str, Sequence[str]] = {
    "method": ("method", "http_method", "request_method", "req.method", "http.request.method", "http.method"),
    "path": ("path", "url", "uri", "request_uri", "req.url", "url.path", "http.target", "request.path"),
    "status": (
        *("status", "status_code", "statusCode", "res.statusCode", "http.response.status_code"),
        *("http.status_code", "response.status"),
    ),
    "bytes": ("bytes", "body_bytes_sent", "bytes_sent", "res.contentLength", "response_size"),
    "account": ("user", "account", "email", "username", "user_id"),
    "source": ("remote_addr", "client_ip", "ip", "req.remoteAddress", "client.address"),
    "user_agent": ("user_agent", "http_user_agent", "req.headers.user-agent", "user_agent.original"),
    "cache_status": ("cache_status", "upstream_cache_status", "CacheCacheStatus", "x-edge-result-type"),
    "upstream": ("upstream", "upstream_addr"),
    "upstream_duration": ("upstream_response_time",),
    "request_bytes": ("request_length",),
}


def parse_json(raw: bytes) -> Parsed | Reason:
    """Return the members of the object that `raw` is.

    An exception that nobody caught reaches the log as it is: it is an error, not a malformed line.
    """
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError:
        reason = bad_text(raw)
        if reason is None and looks_like_exception(raw):
            return {"level": "error", "stack": raw.decode()}
        return reason or "not_json"
    if type(fields) is not dict:
        return "not_json"
    return fields


JSON = Format(
    parse=parse_json,
    continues=continues_exception,
    entry_start=ord("{"),
    level=("level", "severity", "levelname", "log.level", "lvl", "loglevel", "error_severity"),
    message=("message", "msg", "event", "error.message", "err.message"),
    error=("stack", "exception", "err.stack", "error.stack", "error.stack_trace", "exc_info", "traceback"),
    time=("time", "timestamp", "ts", "@timestamp", "datetime", "asctime"),
    defaults=JSON_DEFAULTS,
)
NGINX_JSON = Format(
    parse=parse_json,
    continues=None,
    entry_start=ord("{"),
    time=("time_iso8601", "time_local", "time", "msec", "timestamp", "@timestamp"),
    message=("request", "message"),
    default_level="info",
    defaults={
        **JSON_DEFAULTS,
        "method": ("request_method", "method"),
        "path": ("request_uri", "uri", "path"),
        "status": ("status",),
        "bytes": ("body_bytes_sent", "bytes_sent"),
        "duration": ("request_time",),
    },
)
