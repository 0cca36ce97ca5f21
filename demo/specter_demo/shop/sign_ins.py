"""Telling the sign-in exporter who tries to sign in and where requests come from, as any service would."""

import json
import logging
import threading
from collections import deque
from typing import Protocol

import flask
import requests

from specter_exporters.signin import Outcome, TrustedProxies

logger = logging.getLogger(__name__)

PATH = "/api/v1/signins"
BATCH = 1000  # as many as the exporter takes at once
MAX_WAITING = 5000
INTERVAL = 0.5
TIMEOUT = 2.0
LONGEST_AGENT = 2048
LONGEST_HOPS = 2048
# Whose X-Forwarded-For is believed: the load balancer beside the shop, or in the containers' network.
PROXIES = TrustedProxies(["127.0.0.0/8", "::1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"])


def client_of(request: flask.Request) -> str:
    """Return the visitor's address."""
    return PROXIES.client(request.remote_addr or "", request.headers.get("X-Forwarded-For", ""))


class Reporter(Protocol):
    """What is told of sign-ins and requests."""

    def attempt(self, request: flask.Request, account: str, outcome: Outcome) -> None:
        """Tell of an attempt to sign in to `account`, an address or id."""

    def request(self, request: flask.Request) -> None:
        """Tell of a request."""


class Untold:
    """Tells nobody: there is no exporter."""

    def attempt(self, request: flask.Request, account: str, outcome: Outcome) -> None:
        """Do nothing."""

    def request(self, request: flask.Request) -> None:
        """Do nothing."""


class SignInReporter:
    """Sends events from a thread of its own; a request never waits for the exporter.

    Events that find the exporter away are dropped and counted: they are worth something while an
    attack goes on, and nothing afterwards.

    Args:
        url: of the exporter's API, for example http://127.0.0.1:9850.
        token: the exporter's `write_token`.
        interval: seconds between batches.

    Attributes:
        lost: events that were not delivered.
    """

    def __init__(self, url: str, token: str, *, interval: float = INTERVAL) -> None:
        self.lost = 0
        self._url = url.rstrip("/") + PATH
        self._interval = interval
        self._waiting: deque[dict[str, object]] = deque()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._away = False
        self._stop = threading.Event()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Authorization": f"Bearer {token}", "Content-Type": "application/json"})
        self._thread = threading.Thread(target=self._run, name="sign-ins", daemon=True)
        self._thread.start()

    def attempt(self, request: flask.Request, account: str, outcome: Outcome) -> None:
        """Tell of an attempt to sign in to `account`."""
        self._add({"event": "attempt", "account": account[:128], "outcome": outcome, **_source(request)})

    def request(self, request: flask.Request) -> None:
        """Tell of a request."""
        self._add({"event": "request", **_source(request)})

    def flush(self) -> None:
        """Send what waits now."""
        with self._sending:
            while True:
                with self._lock:
                    count = min(BATCH, len(self._waiting))
                    batch = [self._waiting.popleft() for _ in range(count)]
                if not batch:
                    return
                self._send(batch)

    def close(self) -> None:
        """Send what waits and end the thread."""
        self._stop.set()
        self.flush()

    def _add(self, event: dict[str, object]) -> None:
        with self._lock:
            if len(self._waiting) < MAX_WAITING:
                self._waiting.append(event)
            else:
                self.lost += 1

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            self.flush()

    def _send(self, batch: list[dict[str, object]]) -> None:
        try:
            answer = self._session.post(self._url, data=json.dumps(batch), timeout=TIMEOUT)
            problem = "" if answer.ok else f"status {answer.status_code}: {answer.text[:200]}"
        except requests.RequestException as error:
            problem = type(error).__name__
        if problem:
            self.lost += len(batch)
            if not self._away:
                logger.warning("%s takes no sign-ins (%s)", self._url, problem)
        elif self._away:
            logger.warning("%s takes sign-ins again; %d events have been lost", self._url, self.lost)
        self._away = bool(problem)


def _source(request: flask.Request) -> dict[str, object]:
    # Whoever can choose the header chooses its length too: the right end is the one that counts.
    return {
        "source": (request.remote_addr or "")[:64],
        "forwarded_for": request.headers.get("X-Forwarded-For", "")[-LONGEST_HOPS:],
        "user_agent": request.user_agent.string[:LONGEST_AGENT],
    }
