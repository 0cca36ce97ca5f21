"""Threads that send requests, and the counts of what became of them."""

import http.client
import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from specter_demo.traffic.visitors import Request

logger = logging.getLogger(__name__)

FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 2.0


class Transport(Protocol):
    """What sends a request, for one thread."""

    def send(self, request: Request) -> int:
        """Send `request` and return the status of the answer."""

    def close(self) -> None:
        """Close the connection."""


class Workers:
    """A fixed number of threads behind a bounded queue: a slow shop makes requests drop, not pile up."""

    def __init__(self, transport: Callable[[], Transport], *, threads: int = 24, waiting: int = 48) -> None:
        self._transport = transport
        self._queue: queue.Queue[Request] = queue.Queue(waiting)
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter()
        self._threads = [
            threading.Thread(target=self._run, name=f"visitor-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Let the threads finish what they are sending, for `timeout` seconds; drop what waits."""
        self._stopping.set()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def submit(self, request: Request) -> None:
        """Queue `request`; when the queue is full it is dropped and counted as `overflow`."""
        try:
            self._queue.put_nowait(request)
        except queue.Full:
            self.count("overflow")

    def count(self, outcome: str) -> None:
        """Add one to `outcome`."""
        with self._lock:
            self._outcomes[outcome] += 1

    def outcomes(self) -> dict[str, int]:
        """Return how many requests ended how: by status class (`2xx`), `failed`, `overflow`, `late`."""
        with self._lock:
            return dict(self._outcomes)

    def _run(self) -> None:
        transport = self._transport()
        backoff = FIRST_BACKOFF
        while not self._stopping.is_set():
            try:
                request = self._queue.get(timeout=0.25)
            except queue.Empty:
                continue
            try:
                status = transport.send(request)
            except (OSError, http.client.HTTPException) as error:
                self.count("failed")
                logger.debug("%s %s: %s", request.method, request.path, error)
                self._stopping.wait(backoff)
                backoff = min(2.0 * backoff, LONGEST_BACKOFF)
            else:
                self.count(f"{status // 100}xx")
                backoff = FIRST_BACKOFF
        transport.close()
