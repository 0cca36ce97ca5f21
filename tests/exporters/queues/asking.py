"""Scrapes of brokers as Prometheus would see them."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from prometheus_client import generate_latest

from specter_core.clock import SystemClock
from specter_exporters.deadlines import HEADER
from specter_exporters.queues.building import source
from specter_exporters.queues.config import Server
from specter_exporters.queues.exposing import Exposition
from specter_exporters.queues.ledger import Ledger
from tests.exporters.serving import samples

Scrape = dict[tuple[str, tuple[str, ...]], float]


@contextmanager
def asking(*servers: Server, ledger: Ledger | None = None) -> Iterator[Callable[..., Scrape]]:
    """Yield a function that scrapes `servers`, and says which samples it got."""
    clock = SystemClock()
    sources = [source(server, clock) for server in servers]
    exposition = Exposition(sources, clock, ledger or Ledger(), None, [])

    def scrape(within: str = "") -> Scrape:
        return samples(generate_latest(exposition({HEADER: within})).decode())

    with closing(exposition):
        exposition.start()
        yield scrape


def found(scrape: Scrape, name: str) -> dict[Any, float]:
    """Return a family's values by its labels but for `server`, in the order of the labels' names.

    Those of a queue are (queue, system), of an age (basis, queue, system), of workers (state, system).
    """
    return {
        tuple(label for label in labels if label not in {"main", "second"}): value
        for (family, labels), value in scrape.items()
        if family == f"specter_queue_{name}"
    }


def failing(scrape: Scrape) -> dict[str, str]:
    """Return why which collectors failed."""
    return {key[0]: key[1] for key in found(scrape, "collector_failure")}


def reason(scrape: Scrape) -> list[str]:
    """Return why the server could not be asked."""
    return [key[0] for key, value in found(scrape, "failure").items() if value]
