"""What the shop's worker needs in tests: PostgreSQL with the shop's tables, Redis, and the inbox."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from specter_core.clock import SystemClock
from specter_core.web import WebOptions, WebServer
from specter_demo.inbox import Journal, create_inbox
from specter_demo.settings import Settings
from specter_demo.shop.database import Connection, connect
from specter_demo.shop.schema import LATER, TABLES
from tests.demo.shop_server import environment_of
from tests.servers.postgres import running_postgres
from tests.servers.redis import running_redis

WITHIN = 20.0
CUSTOMER = "insert into customers values (1, 'ada@shop.example', '', '')"

ORDER = "insert into orders (customer_id, status, amount_cents) values (1, 'paid', 1234) returning order_id"


def until(ask: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not ask():
        assert time.monotonic() < deadline, f"{what} did not happen within {WITHIN:g} s"
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Backstage:
    """What a test needs to know of the servers behind the shop."""

    settings: Settings
    environment: dict[str, str]
    redis: Redis
    inbox: Journal

    def connect(self) -> Connection:
        return connect(self.settings)

    def query(self, statement: str) -> list[tuple[object, ...]]:
        with self.connect() as connection:
            return connection.execute(statement.encode()).fetchall()

    def order(self) -> int:
        """Write an order of customer 1 over 12.34 EUR, as checkout does; return its number."""
        ((number,),) = self.query(ORDER)
        assert isinstance(number, int)
        return number

    def mails_about(self, number: int) -> list[dict[str, object]]:
        return [mail for mail in self.inbox.newest() if mail["subject"] == f"Your order {number}"]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "specter_core", "demo", *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )


@contextmanager
def running_backstage(state: Path) -> Iterator[Backstage]:
    """Start the servers, yield them, and stop them."""
    token = state / "inbox.token"
    token.write_text("inbox-token-of-the-test", encoding="utf-8")
    journal = Journal(state / "mails.jsonl")
    alerts = Journal(state / "notifications.jsonl")
    inbox = WebServer(
        create_inbox(alerts, journal, token.read_text(encoding="utf-8"), SystemClock()),
        WebOptions("127.0.0.1", 0),
    )
    with running_postgres() as postgres, running_redis() as server, server.client() as redis:
        inbox.start()
        try:
            settings = Settings(
                state_dir=state,
                database_dsn=postgres.dsn,
                database_password_file=postgres.password_file,
                queue_url=server.url,
                inbox_url=inbox.url,
            )
            with connect(settings) as connection:
                for statements in (TABLES, LATER, CUSTOMER):
                    connection.execute(statements.encode())
            yield Backstage(settings, environment_of(settings), redis, journal)
        finally:
            inbox.stop()
