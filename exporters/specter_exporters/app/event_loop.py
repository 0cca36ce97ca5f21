"""How late the event loop runs, and how full its thread pool is: what saturates an ASGI worker."""

import asyncio
import sys
import weakref
from collections.abc import Iterator
from typing import Any

from specter_core import metrics
from specter_exporters.app.store import Store

INTERVAL = 0.25
MOST_SAMPLES = 240  # of one block: a minute's worth


class LoopWatch:
    """Measure an event loop by a timer of its own.

    A loop blocked for two seconds makes one timer late, but every timer due in those two
    seconds would have been late: each of them is counted, so that quantiles are shares of time.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None
        self._limiter: Any = None

    def watch(self) -> None:
        """Watch the running loop, if it is an asyncio one and not watched yet."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # another kind of loop, trio's for example
        if self._loop is not None and self._loop() is loop:
            return
        self._loop = weakref.ref(loop)
        self._limiter = _anyio_limiter()
        loop.call_later(INTERVAL, self._tick, loop, loop.time() + INTERVAL)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        for late in lateness(now - due):
            self._store.observe(metrics.EVENT_LOOP_LAG, (), late)
        self._sample_threads()
        loop.call_later(INTERVAL, self._tick, loop, now + INTERVAL)

    def _sample_threads(self) -> None:
        if self._limiter is None:
            return
        statistics = self._limiter.statistics()
        self._store.set(metrics.THREADPOOL_BUSY, (), statistics.borrowed_tokens)
        self._store.set(metrics.THREADPOOL_MAX, (), statistics.total_tokens)
        self._store.set(metrics.THREADPOOL_WAITING, (), statistics.tasks_waiting)


def lateness(late: float) -> Iterator[float]:
    """Yield the lateness of a timer and of those that were due while the loop was blocked, in seconds."""
    late = max(0.0, late)
    yield late
    for _ in range(MOST_SAMPLES - 1):
        late -= INTERVAL
        if late <= 0:
            return
        yield late


def _anyio_limiter() -> Any:
    """Return the limiter of the pool that Starlette runs synchronous handlers on; None without anyio."""
    if "anyio" not in sys.modules:
        return None
    from anyio.to_thread import current_default_thread_limiter  # noqa: PLC0415  (not every service has it)

    return current_default_thread_limiter()
