"""The shop's log: one JSON object a request, on one line."""

import datetime as dt
import json
import threading
import time
from typing import TextIO

import flask

from specter_demo.shop.trace import trace_id


class AccessLog:
    """Writes a line for each request of a Flask application; gives it its trace id, `flask.g.trace`."""

    def __init__(self, stream: TextIO, *, service: str, version: str) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._service = service
        self._version = version

    def init_app(self, app: flask.Flask) -> None:
        """Log every request of `app` from now on."""
        app.before_request(self._before)
        app.after_request(self._after)

    def _before(self) -> None:
        flask.g.trace = trace_id(flask.request.headers.get("traceparent"))
        flask.g.started = time.perf_counter()

    def _after(self, response: flask.Response) -> flask.Response:
        request = flask.request
        status = response.status_code
        line: dict[str, object] = {
            "ts": dt.datetime.now(tz=dt.UTC).isoformat(timespec="milliseconds"),
            "level": "error" if status >= 500 else "warning" if status >= 400 else "info",
            "service": self._service,
            "version": self._version,
            "method": request.method,
            "route": request.url_rule.rule if request.url_rule else None,
            "path": request.path,
            "status": status,
            "duration_ms": round((time.perf_counter() - flask.g.started) * 1000.0, 2),
            "trace_id": flask.g.trace,
        }
        if "error" in flask.g:
            line["error"] = flask.g.error
        self._write(json.dumps(line) + "\n")
        return response

    def _write(self, line: str) -> None:
        with self._lock:
            self._stream.write(line)
            self._stream.flush()
