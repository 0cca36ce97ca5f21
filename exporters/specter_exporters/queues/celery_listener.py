"""A thread that listens to the events of Celery's workers, whatever the broker."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from specter_core.clock import Clock
from specter_exporters.queues.allowance import Allowance, OverdrawnError
from specter_exporters.queues.celery_events import CeleryEvents
from specter_exporters.queues.model import Problem

logger = logging.getLogger(__name__)
POLL = 0.2
RECONNECT_AFTER, RECONNECT_AT_MOST = 1.0, 8.0
"""Seconds between attempts to connect: twice as many each time."""
STOPPED_WITHIN = 3.0


class DeafError(Exception):
    """A broker's events cannot be heard.

    Attributes:
        problem: why.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Subscription(Protocol):
    """A connection on which events come."""

    def next(self, seconds: float) -> Sequence[Mapping[str, Any]] | None:
        """Return the events of the next message: none of one that holds none; None if none came in time.

        Raises:
            DeafError: the broker is gone, or what it sends is not understood.
        """

    def close(self) -> None:
        """End the connection; it never raises."""


class CeleryListener:
    """Listens, and connects again when it must.

    Args:
        server: name of the server.
        subscribe: opens a subscription, which may receive within an allowance.
        events: what events are added to.
        clock: the time.
    """

    def __init__(
        self,
        server: str,
        subscribe: Callable[[Allowance], Subscription],
        events: CeleryEvents,
        clock: Clock,
    ) -> None:
        self._server = server
        self._subscribe = subscribe
        self._events = events
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pause = RECONNECT_AFTER

    def start(self) -> None:
        """Begin to listen."""
        self._thread = threading.Thread(target=self._run, name=f"celeryev {self._server}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, within some tenths of a second while the broker is well."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOPPED_WITHIN)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._listen()
                except DeafError as error:
                    self._events.deaf(error.problem)
                    self._stop.wait(self._pause)
                    self._pause = min(2 * self._pause, RECONNECT_AT_MOST)
        finally:
            # Also after a defect of ours: what was heard last is not how it stays.
            self._events.deaf(Problem("other", "nobody listens any more"))

    def _listen(self) -> None:
        allowance = Allowance(self._clock)
        subscription = self._subscribe(allowance)
        try:
            self._events.listening()
            self._pause = RECONNECT_AFTER
            while not self._stop.is_set():
                allowance.begin()
                found = subscription.next(POLL)
                self._events.alive(allowance.heard)
                if found is None:
                    self._check(allowance)
                    continue
                allowance.restore()
                self._events.message(found)
        finally:
            subscription.close()

    @staticmethod
    def _check(allowance: Allowance) -> None:
        try:
            allowance.check()
        except OverdrawnError as error:
            raise DeafError(Problem(error.reason, str(error))) from error
