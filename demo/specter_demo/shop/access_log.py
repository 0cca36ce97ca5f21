"""The shop's logs: one JSON object a request, and the same request in the combined format."""

import datetime as dt
import json
import re
import threading
import time
import traceback
from collections.abc import Callable

import flask

from specter_demo.shop.trace import trace_id

Write = Callable[[str], object]
UNSAFE = re.compile(r"[^ !#-\[\]-~]")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class AccessLog:
    """Logs each request of a Flask application; gives it its trace id, `flask.g.trace`.

    Args:
        write: takes a line of JSON.
        combined: takes a line in the combined log format with the duration in seconds behind it.
        client: returns the visitor's address of a request.
        service: `service` of each line.
        version: `version` of each line.
    """

    def __init__(
        self,
        write: Write,
        combined: Write,
        client: Callable[[flask.Request], str],
        *,
        service: str,
        version: str,
    ) -> None:
        self._write = write
        self._combined = combined
        self._client = client
        self._lock = threading.Lock()
        self._service = service
        self._version = version

    def init_app(self, app: flask.Flask) -> None:
        """Log every request of `app` from now on."""
        app.before_request(self._before)
        app.after_request(self._after)
        # The signal holds it weakly; the hooks above keep it.
        flask.got_request_exception.connect(self._unhandled, app)

    def _before(self) -> None:
        flask.g.trace = trace_id(flask.request.headers.get("traceparent"))
        flask.g.started = time.perf_counter()

    def _unhandled(self, _app: flask.Flask, exception: BaseException, **_: object) -> None:
        flask.g.error = f"{type(exception).__name__}: {exception}"
        flask.g.exception = "".join(traceback.format_exception(exception))

    def _after(self, response: flask.Response) -> flask.Response:
        request = flask.request
        status = response.status_code
        now = dt.datetime.now(tz=dt.UTC)
        seconds = time.perf_counter() - flask.g.started
        line: dict[str, object] = {
            "ts": now.isoformat(timespec="milliseconds"),
            "level": "error" if status >= 500 else "warning" if status >= 400 else "info",
            "service": self._service,
            "version": self._version,
            "message": flask.g.get("error", "request served"),
            "method": request.method,
            "route": request.url_rule.rule if request.url_rule else None,
            "path": request.path,
            "status": status,
            "duration_ms": round(seconds * 1000.0, 2),
            "trace_id": flask.g.trace,
        }
        for name in ("error", "exception"):
            if name in flask.g:
                line[name] = flask.g.get(name)
        text = combined_line(request, self._client(request), response, now, seconds)
        with self._lock:
            self._write(json.dumps(line) + "\n")
            self._combined(text + "\n")
        return response


def combined_line(
    request: flask.Request, client: str, response: flask.Response, now: dt.datetime, seconds: float
) -> str:
    """Return what nginx' `combined` format, followed by `$request_time`, says of a request."""
    when = f"{now.day:02}/{MONTHS[now.month - 1]}/{now:%Y:%H:%M:%S} +0000"
    target = request.full_path if request.query_string else request.path
    asked = f"{request.method} {target} {request.environ.get('SERVER_PROTOCOL', 'HTTP/1.1')}"
    size = response.content_length or 0
    referrer, agent = _quoted(request.referrer or "-"), _quoted(request.user_agent.string or "-")
    answered = f"{response.status_code} {size}"
    return f'{client} - - [{when}] "{_quoted(asked)}" {answered} "{referrer}" "{agent}" {seconds:.4f}'


def _quoted(text: str) -> str:
    """Return `text` as nginx writes it between quotes: what could end the quotes or the line is escaped."""
    return UNSAFE.sub(
        lambda found: "".join(f"\\x{byte:02X}" for byte in found[0].encode(errors="replace")), text
    )
