"""What a scrape is answered with: every server asked at once, within the time that Prometheus waits."""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from specter_core.clock import Clock
from specter_exporters.deadlines import answer_by
from specter_exporters.families import Families, named
from specter_exporters.postgres.model import Fact

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

logger = logging.getLogger(__name__)
EXPOSED = named("PG_", "PGBOUNCER_")


class Asked(Protocol):
    """Something that is asked at a scrape; `name` is the value of the label `server`."""

    @property
    def name(self) -> str:
        """Its name."""

    def scrape(self, deadline: float) -> Sequence[Fact]:
        """Return what is known by `deadline` (monotonic, seconds)."""

    def close(self) -> None:
        """End its sessions."""


class Servers(Collector):
    """The families of one scrape.

    Args:
        scrapers: one a server or pgbouncer.
        pool: threads to ask them in.
        deadline: when to answer, monotonic seconds.
    """

    def __init__(self, scrapers: Sequence[Asked], pool: ThreadPoolExecutor, deadline: float) -> None:
        self._scrapers = scrapers
        self._pool = pool
        self._deadline = deadline

    def describe(self) -> Iterable[Family]:
        """Yield the families without series: nobody is asked."""
        return Families(EXPOSED)

    def collect(self) -> Iterable[Family]:
        """Ask every server, and yield the families."""
        board = Families(EXPOSED)
        found = [(each.name, self._pool.submit(each.scrape, self._deadline)) for each in self._scrapers]
        for name, future in found:
            error = future.exception()
            if error is not None:
                # A defect of ours costs this server, of which nothing is known, and not the others.
                logger.error("%s: cannot be asked", name, exc_info=error)
                continue
            for fact in future.result():
                board.add(fact.metric, [name, *fact.labels], fact.value)
        return board


class Exposition:
    """Makes the registry that a scrape is answered from.

    Args:
        scrapers: one a server or pgbouncer.
        clock: the time.
        process: collectors of this process.
    """

    def __init__(self, scrapers: Sequence[Asked], clock: Clock, process: Sequence[Collector]) -> None:
        self._scrapers = scrapers
        self._clock = clock
        self._process = process
        # Scrapes of one server take turns, so that more than one thread a server would only wait.
        self._pool = ThreadPoolExecutor(max(1, len(scrapers)), thread_name_prefix="postgres")

    def __call__(self, environ: "WSGIEnvironment") -> CollectorRegistry:
        """Return the registry for a request."""
        registry = CollectorRegistry()
        for each in self._process:
            registry.register(each)
        registry.register(Servers(self._scrapers, self._pool, answer_by(environ, self._clock)))
        return registry

    def close(self) -> None:
        """End the threads and the sessions."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for each in self._scrapers:
            each.close()
