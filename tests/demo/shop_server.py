"""The real shop for tests: PostgreSQL, the payment stub and gunicorn on free ports."""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from specter_core.clock import SystemClock
from specter_core.web import WebOptions, WebServer
from specter_demo.faults.control import Control
from specter_demo.payments import create_payments
from specter_demo.provider import read_trouble
from specter_demo.settings import PREFIX, Settings
from specter_demo.shop.database import connect
from specter_demo.shop.schema import seed
from tests.servers.postgres import running_postgres

STARTS_WITHIN = 30.0


@dataclass(frozen=True, slots=True)
class RunningShop:
    """What a test needs to know of the shop it talks to."""

    settings: Settings
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path
    seeded_in: float

    @property
    def control(self) -> Control:
        return Control(self.settings, SystemClock())

    def query(self, statement: str) -> list[tuple[object, ...]]:
        with connect(self.settings) as connection:
            return connection.execute(statement.encode()).fetchall()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment_of(settings: Settings) -> dict[str, str]:
    values = settings.model_dump(mode="json")
    # Empty means unset, and keeps a demo that runs from this checkout out of the test.
    shop = {f"{PREFIX}{name.upper()}": "" if value is None else str(value) for name, value in values.items()}
    return {**{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}, **shop}


@contextmanager
def running_shop(*, standby: bool = False, **told: object) -> Iterator[RunningShop]:
    """Start the shop with its surroundings, yield it, and stop everything; `told` are more settings.

    With `standby`, its database has one.
    """
    state = Path(tempfile.mkdtemp(prefix="specter-shop-"))
    payments = WebServer(
        create_payments(
            random.Random(1), median=0.002, trouble=lambda: read_trouble(state / "provider.json")
        ),
        WebOptions("127.0.0.1", 0),
        threads=16,
    )
    try:
        with ExitStack() as stack:
            postgres = stack.enter_context(running_postgres())
            copy = stack.enter_context(running_postgres(primary=postgres)) if standby else None
            payments.start()
            try:
                address = f"127.0.0.1:{free_port()}"
                settings = Settings(
                    state_dir=state,
                    database_dsn=postgres.dsn,
                    database_standby_dsn=None if copy is None else copy.dsn,
                    database_password_file=postgres.password_file,
                    payment_url=payments.url,
                    url=f"http://{address}",
                    listen=address,
                    inbox_token_file=state / "inbox.token",
                ).model_copy(update=told)
                with connect(settings, statement_timeout="60s") as connection:
                    seconds = seed(connection)
                assert seconds is not None
                with _gunicorn(settings, seconds) as shop:
                    yield shop
            finally:
                payments.stop()
    finally:
        shutil.rmtree(state)


@contextmanager
def _gunicorn(settings: Settings, seeded_in: float) -> Iterator[RunningShop]:
    environment = environment_of(settings)
    log = settings.state_dir / "shop.log"
    # As after a kill -9, when the number now belongs to another program: the shop starts all the same.
    settings.pid_file.write_text(f"{os.getpid()}\n", encoding="utf-8")
    command = [sys.executable, "-m", "specter_core", "demo", "serve", "shop"]
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_healthy(settings.url, process, log)
        yield RunningShop(settings, environment, process, log, seeded_in)
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=5)


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{url}/healthz", timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    raise RuntimeError(f"the shop did not start: {log.read_text(encoding='utf-8')[-3000:]}")
