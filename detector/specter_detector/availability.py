"""Whether the data source is there: one answer for all threads, one log line a change."""

import logging
import threading
from random import Random

from specter_core.clock import Clock
from specter_detector.datasource import UnreachableError
from specter_detector.retry import Backoff
from specter_detector.telemetry import Telemetry

LOGGER = logging.getLogger(__name__)
BACKOFF = Backoff(base=0.5, cap=30.0)
MOST_WISHED = 300.0
"""Seconds that a server may ask to be left alone for."""


class Availability:
    """Remembers failures and says when to try again. Unknown until the first answer."""

    def __init__(self, *, clock: Clock, random: Random, telemetry: Telemetry) -> None:
        self._clock = clock
        self._random = random
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._failures = 0
        self._retry_at = 0.0
        self._up: bool | None = None
        telemetry.datasource(False)

    @property
    def up(self) -> bool:
        """Whether the last query reached the data source."""
        return self._up is True

    @property
    def wait(self) -> float:
        """Seconds until the data source may be tried again; 0 while it is up."""
        with self._lock:
            return 0.0 if self._up is not False else max(0.0, self._retry_at - self._clock.monotonic())

    def reached(self) -> None:
        """A query was answered, be it with a refusal."""
        with self._lock:
            changed, self._up, self._failures = self._up is not True, True, 0
        self._telemetry.datasource(True)
        if changed:
            LOGGER.info("data source is up")

    def lost(self, error: UnreachableError) -> None:
        """A query was not answered; it is not asked again sooner than the server wishes."""
        with self._lock:
            changed, self._up = self._up is not False, False
            wait = max(BACKOFF.delay(self._failures, self._random), min(error.retry_after, MOST_WISHED))
            self._retry_at = self._clock.monotonic() + wait
            self._failures += 1
        self._telemetry.datasource(False)
        if changed:
            LOGGER.warning("data source is down, retrying: %s", error)
