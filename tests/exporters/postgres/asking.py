"""A real server, and scrapes of it as Prometheus would see them."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from prometheus_client import generate_latest

from specter_core.clock import SystemClock
from specter_exporters.deadlines import HEADER
from specter_exporters.postgres.collectors import standard
from specter_exporters.postgres.exposing import Exposition
from specter_exporters.postgres.model import Server
from specter_exporters.postgres.scrape import Scraper
from tests.exporters.serving import samples
from tests.servers.postgres import PostgresServer

Scrape = dict[tuple[str, tuple[str, ...]], float]
ROLE, ROLE_PASSWORD = "watcher", "watchers-password"

PAGE = Path(__file__).parents[3] / "docs" / "exporters-postgres.md"


def documented_grants() -> str:
    """Return what the documentation says to run as a superuser, for `ROLE`."""
    code = PAGE.read_text(encoding="utf-8").partition("```sql\n")[2].partition("```")[0]
    return code.replace("specter", ROLE).replace("...", ROLE_PASSWORD)


def connect(server: PostgresServer, **more: Any) -> "psycopg.Connection[tuple[Any, ...]]":
    return psycopg.connect(
        server.dsn, **{"password": server.password, "autocommit": True, "connect_timeout": 10, **more}
    )


@contextmanager
def asking(server: Server, storage: Path | None = None) -> Iterator[Callable[..., Scrape]]:
    """Yield a function that scrapes `server`, and says which samples it got."""
    clock = SystemClock()
    exposition = Exposition([Scraper(server, standard(server, clock, storage), clock)], clock, [])

    def scrape(within: str = "") -> Scrape:
        return samples(generate_latest(exposition({HEADER: within})).decode())

    with closing(exposition):
        yield scrape


def found(scrape: Scrape, name: str) -> dict[tuple[str, ...], float]:
    """Return a family's values by its labels but for `server`, in the order of the labels' names."""
    return {
        tuple(label for label in labels if label != "main"): value
        for (family, labels), value in scrape.items()
        if family == name
    }


def failing(scrape: Scrape) -> dict[str, str]:
    """Return why which collectors failed."""
    return {key[0]: key[1] for key in found(scrape, "specter_pg_collector_failure")}


def reason(scrape: Scrape) -> list[str]:
    """Return why the server could not be asked."""
    return [key[0] for key, value in found(scrape, "specter_pg_failure").items() if value]
