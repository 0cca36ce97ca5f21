"""What a scrape is answered with: every broker asked at once, within the time that Prometheus waits."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from specter_core.clock import Clock
from specter_exporters.deadlines import answer_by
from specter_exporters.families import Families, named
from specter_exporters.queues.ledger import Ledger
from specter_exporters.queues.model import Problem, Source, Told
from specter_exporters.queues.telling import Telling

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)
EXPOSED = named("QUEUE_", "CACHE_", "BROKER_")


class Asking:
    """One source and the thread that asks it; what is still asked is not asked again.

    Args:
        source: the source.
        pool: threads.
    """

    def __init__(self, source: Source, pool: ThreadPoolExecutor) -> None:
        self.source = source
        self._pool = pool
        self._lock = threading.Lock()
        self._running: Future[Told] | None = None

    def begin(self) -> "Future[Told] | None":
        """Return what will be told; None while an earlier question is not answered."""
        with self._lock:
            if self._running is not None and not self._running.done():
                return None
            self._running = self._pool.submit(self.source.ask)
            return self._running

    def end(self, future: "Future[Told] | None", seconds: float) -> Told:
        """Return what is told within `seconds`; the connection is cut where it is nothing."""
        if future is None:
            # Its connection may have been made after it was cut.
            self.source.cut()
            return Told(Problem("timeout", "an earlier question is not answered yet"))
        try:
            error = future.exception(max(0.0, seconds))
        except FutureTimeoutError:
            self.source.cut()
            return Told(Problem("timeout", f"no answer within {seconds:.1f} s"))
        if error is not None:
            # A defect of ours costs this source, not the others.
            logger.error("%s: cannot be asked", self.source.name, exc_info=error)
            return Told(Problem("other", repr(error)))
        return future.result()


class Sources(Collector):
    """The families of one scrape.

    Args:
        fill: asks every source, and adds its samples.
    """

    def __init__(self, fill: Callable[[Families], None]) -> None:
        self._fill = fill

    def describe(self) -> Iterable[Family]:
        """Yield the families without series: nobody is asked."""
        return Families(EXPOSED)

    def collect(self) -> Iterable[Family]:
        """Ask every source, and yield the families."""
        board = Families(EXPOSED)
        self._fill(board)
        return board


class Exposition:
    """Makes the registry that a scrape is answered from.

    Args:
        sources: what is asked.
        clock: the time.
        ledger: counters, and heads of queues.
        save: keeps the ledger; None where it is not to be kept.
        process: collectors of this process.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        clock: Clock,
        ledger: Ledger,
        save: Callable[[bytes], None] | None,
        process: Sequence[Collector],
    ) -> None:
        self._clock = clock
        self._process = process
        self._pool = ThreadPoolExecutor(max(1, len(sources)), thread_name_prefix="queues")
        self._asking = [Asking(each, self._pool) for each in sources]
        self._telling = Telling(ledger, clock, save)
        self._turn = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment") -> CollectorRegistry:
        """Return the registry for a request."""
        registry = CollectorRegistry()
        for each in self._process:
            registry.register(each)
        deadline = answer_by(environ, self._clock)
        registry.register(Sources(lambda board: self._fill(board, deadline)))
        return registry

    def start(self) -> None:
        """Begin what goes on between scrapes."""
        for each in self._asking:
            each.source.start()

    def close(self) -> None:
        """End the threads and the connections."""
        for each in self._asking:
            each.source.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fill(self, board: Families, deadline: float) -> None:
        """Add what each source tells by the deadline. Two scrapes at once take turns."""
        if not self._turn.acquire(timeout=max(0.0, deadline - self._clock.monotonic())):
            busy = Told(Problem("timeout", "another scrape has taken all the time"))
            for each in self._asking:
                self._telling.tell(board, each.source.name, busy)
            return
        try:
            asked = [(each, each.begin()) for each in self._asking]
            for each, future in asked:
                told = each.end(future, deadline - self._clock.monotonic())
                self._telling.tell(board, each.source.name, told)
            self._telling.save()
        finally:
            self._turn.release()
