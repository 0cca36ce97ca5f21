"""Where notifications and mails arrive: Alertmanager's webhook receiver of the demo, and its mail box.

`POST /alerts/<severity>` takes Alertmanager's webhook body (version 4) and keeps one JSON line an
alert; `GET /notifications` returns the newest. `POST /mails` and `GET /mails` do the same with what the
shop sends. All need the bearer token.
"""

import hmac
import json
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path

import flask

from specter_core.clock import Clock
from specter_demo.files import write_atomically

SEVERITIES = ("critical", "warning", "info", "heartbeat")
LARGEST_BODY = 1024 * 1024
LARGEST_FILE = 10 * 1024 * 1024
NEWEST = 100
MAIL = ("recipient", "subject", "text")


class Journal:
    """What was delivered: a file that is rotated once, and its last lines in memory."""

    def __init__(self, path: Path, *, largest: int = LARGEST_FILE) -> None:
        self._path = path
        self._largest = largest
        self._lock = threading.Lock()
        self._heartbeats = 0
        self._newest: deque[dict[str, object]] = deque(_last_lines(path), maxlen=NEWEST)

    def append(self, notifications: list[dict[str, object]]) -> None:
        """Write one line each; a file over the limit is moved to `<name>.1` first."""
        text = "".join(json.dumps(notification) + "\n" for notification in notifications)
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size + len(text) > self._largest:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)
            self._newest.extend(notifications)

    def heartbeat(self, now: float) -> None:
        """Remember that a heartbeat came at `now`; they are counted, not listed."""
        with self._lock:
            self._heartbeats += 1
            beat = {"received_at": now, "count": self._heartbeats}
            write_atomically(self._path.with_name("heartbeat.json"), json.dumps(beat) + "\n")

    def newest(self) -> list[dict[str, object]]:
        """Return the last `NEWEST` notifications, oldest first."""
        with self._lock:
            return list(self._newest)


def create_inbox(journal: Journal, mails: Journal, token: str, clock: Clock) -> flask.Flask:
    """Return the inbox of alerts and `mails`; `token` is what `Authorization: Bearer` must carry."""
    app = flask.Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    expected = f"Bearer {token}".encode()

    @app.before_request
    def authenticate() -> flask.typing.ResponseReturnValue | None:
        if flask.request.path == "/healthz":
            return None
        given = flask.request.headers.get("Authorization", "").encode()
        if hmac.compare_digest(given, expected):
            return None
        return flask.jsonify(error="expected the inbox's bearer token"), 401, {"WWW-Authenticate": "Bearer"}

    @app.post("/alerts/<severity>")
    def receive(severity: str) -> flask.typing.ResponseReturnValue:
        if severity not in SEVERITIES:
            return flask.jsonify(error=f"no such severity; there are {', '.join(SEVERITIES)}"), 404
        body = flask.request.get_json(silent=True, force=True)
        alerts = body.get("alerts") if isinstance(body, dict) else None
        if not isinstance(alerts, list) or not all(isinstance(alert, dict) for alert in alerts):
            return flask.jsonify(error="expected Alertmanager's webhook body with a list of alerts"), 400
        now = clock.time()
        if severity == "heartbeat":
            journal.heartbeat(now)
        else:
            journal.append([notification(alert, severity, now) for alert in alerts])
        return flask.jsonify(received=len(alerts))

    @app.get("/notifications")
    def notifications() -> flask.typing.ResponseReturnValue:
        return flask.jsonify(journal.newest())

    app.register_blueprint(mail_box(mails, clock))

    @app.get("/healthz")
    def healthz() -> flask.typing.ResponseReturnValue:
        return flask.jsonify(status="ok")

    return app


def mail_box(mails: Journal, clock: Clock) -> flask.Blueprint:
    """Return the routes that take mails and show the newest."""
    routes = flask.Blueprint("mails", __name__)

    @routes.post("/mails")
    def take() -> flask.typing.ResponseReturnValue:
        body = flask.request.get_json(silent=True)
        if not isinstance(body, dict) or not all(isinstance(body.get(part), str) for part in MAIL):
            return flask.jsonify(error=f"expected the texts {', '.join(MAIL)}"), 400
        mails.append([{"received_at": clock.time(), **{part: body[part] for part in MAIL}}])
        return flask.jsonify(received=1)

    @routes.get("/mails")
    def newest() -> flask.typing.ResponseReturnValue:
        return flask.jsonify(mails.newest())

    return routes


def notification(alert: Mapping[str, object], severity: str, now: float) -> dict[str, object]:
    """Return what is kept of one alert of a webhook; keys that are missing become empty."""
    labels = _texts(alert.get("labels"))
    return {
        "received_at": now,
        "severity": severity,
        "status": str(alert.get("status", "")),
        "alertname": labels.get("alertname", ""),
        "labels": labels,
        "annotations": _texts(alert.get("annotations")),
        "startsAt": str(alert.get("startsAt", "")),
    }


def _texts(value: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in value.items()} if isinstance(value, dict) else {}


def _last_lines(path: Path) -> list[dict[str, object]]:
    """Return the last notifications of an earlier run; a line cut off by a crash is left out."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = deque(file, maxlen=NEWEST)
    parsed = [_parsed(line) for line in lines]
    return [line for line in parsed if line is not None]


def _parsed(line: str) -> dict[str, object] | None:
    try:
        value = json.loads(line)
    except json.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
