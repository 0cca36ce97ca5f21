"""Send business events to the exporter: for processes that are several, such as gunicorn's workers."""

import atexit
import json
import logging
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Unpack
from uuid import uuid4

import requests

from specter_core.catalogue import Catalogue
from specter_core.errors import UsageError
from specter_exporters.business.refusals import Refusals
from specter_exporters.business.validation import Details, EventRefusedError, Validator

logger = logging.getLogger(__name__)

PATH = "/api/v1/events"
BATCH = 500
MAX_WAITING = 10_000
INTERVAL = 1.0
TIMEOUT = 5.0
MAX_PAUSE = 30.0
AGAIN = frozenset({408, 409, 429, 500, 502, 503, 504})

MAX_SHOWN = 60


class BusinessClient:
    """Sends events in batches from a thread of its own; `event` never waits for the network.

    What the exporter does not take because it is away or busy is sent again, and
    counted once (each batch has an idempotency key). While it is away, events wait
    in bounded memory; when that is full new ones are lost, which is logged and
    added to `lost`. A forked child begins with an empty queue and a thread of its own.

    Args:
        url: of the exporter's listener for events, for example http://127.0.0.1:9848.
        token: of this sender.
        catalogue: to refuse here what the exporter would refuse; needed for `strict`.
        strict: raise what the catalogue does not allow, instead of logging it once.
        max_waiting: how many events wait at most.
        interval: seconds between batches.
        timeout: of a request, in seconds.
        session: makes the HTTP session.

    Raises:
        UsageError: `strict` without a catalogue, no HTTP URL, or a token that no header can hold.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        catalogue: Catalogue | None = None,
        strict: bool = False,
        max_waiting: int = MAX_WAITING,
        interval: float = INTERVAL,
        timeout: float = TIMEOUT,
        session: Callable[[], requests.Session] = requests.Session,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError("the exporter's url must begin with http:// or https://")
        if not token.isascii() or not token.isprintable() or not token or " " in token:
            raise UsageError("the token must be ASCII characters without a space or the end of its line")
        if strict and catalogue is None:
            raise UsageError("strict needs a catalogue: without one nothing is known to be wrong")
        self._url = url.rstrip("/") + PATH
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._validator = Validator(catalogue) if catalogue is not None else None
        self._strict = strict
        self._max_waiting = max_waiting
        self._interval = interval
        self._timeout = timeout
        self._new_session = session
        self._begin()
        me = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _call(me, BusinessClient._begin))
        atexit.register(lambda: _call(me, BusinessClient.close))

    def _begin(self) -> None:
        """Be as new: at the start, and in a forked child, whose parent sends what had been waiting."""
        self._refusals = Refusals(logger)
        self._waiting: deque[str] = deque()
        self._under_way: list[str] = []
        self._key = ""
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._closing = False
        self._flushing = False
        self._failures = 0
        self._full = False
        self.lost = 0

    def __repr__(self) -> str:
        return f"BusinessClient({self._url!r})"

    def event(self, name: str, /, **details: Unpack[Details]) -> None:
        """Send one event soon; without `strict` it never raises. See `Business.event`.

        Raises:
            EventRefusedError: the catalogue does not allow it, and `strict` is set.
        """
        item = {key: value for key, value in {**details, "event": name}.items() if value is not None}
        try:
            if self._validator is not None:
                self._validator.check(item)
            # Here and not in the thread, which must not end for a value that is no JSON.
            text = json.dumps(item, allow_nan=False, default=_number)
        except EventRefusedError as error:
            if self._strict:
                raise
            self._refusals.log(error)
            return
        except (TypeError, ValueError) as error:
            self._refusals.log(EventRefusedError("invalid_value", ascii(name)[:MAX_SHOWN], str(error)))
            return
        with self._lock:
            lost = self._closing or len(self._waiting) >= self._max_waiting
            first, self._full = lost and not self._full, self._full or lost
            self.lost += lost
            if not lost:
                self._waiting.append(text)
            if not lost and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="business-events", daemon=True)
                self._thread.start()
        if first:
            logger.error("%s: as many events as may wait do; further ones are lost", self._url)

    def flush(self, timeout: float = TIMEOUT) -> bool:
        """Send what waits now; return whether all is delivered within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            while self._waiting or self._under_way:
                left = deadline - time.monotonic()
                if left <= 0 or self._thread is None:
                    return False
                self._changed.wait(left)
        return True

    def close(self, timeout: float = TIMEOUT) -> bool:
        """Send what waits, then take no more events; return whether all was delivered."""
        delivered = self.flush(timeout)
        with self._changed:
            self._closing = True
            left = len(self._waiting) + len(self._under_way)
            self._changed.notify_all()
        if not delivered:
            logger.error("%s: %d events are not delivered at the end", self._url, left)
        return delivered

    def _run(self) -> None:
        with self._new_session() as session:
            pause = self._interval
            while True:
                batch = self._next(pause)
                if batch is None:
                    return
                pause = self._after(self._send(session, batch)) if batch else self._interval

    def _next(self, pause: float) -> list[str] | None:
        """Wait for `pause` seconds, or less when told to; return the batch to send, None at the end."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closing or (self._flushing and not self._failures), timeout=pause
            )
            if not self._under_way:
                self._under_way = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                self._key = uuid4().hex
            if not self._under_way:
                self._flushing = False
                self._changed.notify_all()
                if self._closing:
                    return None
            return self._under_way

    def _send(self, session: requests.Session, batch: list[str]) -> float | None:
        """Send `batch`; return None when done with it, else after how many seconds it may be sent again."""
        headers = {**self._headers, "Idempotency-Key": self._key}
        body = f"[{','.join(batch)}]".encode()
        try:
            answer = session.post(
                self._url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            )
        except Exception as error:  # noqa: BLE001  (with this thread would end all that is sent later)
            self._away(type(error).__name__)
            return 0.0
        if answer.status_code in AGAIN:
            self._away(f"status {answer.status_code}")
            wait = answer.headers.get("Retry-After", "")
            return min(MAX_PAUSE, float(wait)) if wait.isdecimal() else 0.0
        if answer.status_code == 422:
            self._told(answer)
        elif not answer.ok:
            logger.error("%s refuses %d events with status %d", self._url, len(batch), answer.status_code)
            with self._lock:
                self.lost += len(batch)
        if self._failures:
            logger.warning("%s takes events again; %d have been lost", self._url, self.lost)
        return None

    def _away(self, why: str) -> None:
        if not self._failures:
            logger.warning("%s takes no events (%s); they wait here", self._url, why)

    def _told(self, answer: requests.Response) -> None:
        """Log what the exporter refuses of a batch, each kind once."""
        try:
            refused = answer.json()["refused"]
            for one in refused:
                self._refusals.log(EventRefusedError(one["reason"], one["field"], one["detail"]))
        except (ValueError, KeyError, TypeError):
            logger.warning("%s refuses events, and does not say which", self._url)

    def _after(self, again: float | None) -> float:
        """Note how sending went; return for how long to wait."""
        with self._changed:
            if again is None:
                self._failures = 0
                self._full = False
                self._under_way = []
                self._changed.notify_all()
                return 0.0 if len(self._waiting) >= BATCH else self._interval
            self._failures += 1
            if self._closing:
                self.lost += len(self._under_way) + len(self._waiting)
                self._under_way = []
                self._waiting.clear()
                return 0.0
        backoff = min(MAX_PAUSE, self._interval * 2.0 ** min(self._failures - 1, 6))
        return max(again, backoff * random.uniform(0.5, 1.0))  # noqa: S311  (jitter is no secret)


def _call(client: "weakref.ref[BusinessClient]", method: Callable[["BusinessClient"], object]) -> None:
    """Call `method` of a client that is still in use."""
    one = client()
    if one is not None:
        method(one)


def _number(value: object) -> float:
    """Return a Decimal, as money often is, as JSON has it."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no value that can be sent")
