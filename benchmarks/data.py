"""Databases and jobs: scrapes of a PostgreSQL server, checks of its data, pings and runs of jobs.

The server has a thousand tables with an index each. A scrape is a whole HTTP request to the running
exporter, on a warm connection, one of them while a table is locked. Where `postgres_exporter` is on PATH, it
is scraped in turn with ours.
"""

import os
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import psycopg
import requests

from benchmarks import report
from benchmarks.apps.exporting import exporter
from benchmarks.apps.job_runs import report_runs
from benchmarks.apps.jobs import JOBS, SECONDS, report_jobs
from benchmarks.apps.queues import report_queues
from benchmarks.apps.sql import CHECKS, report_sql
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.prometheus import free_port

TABLES = 1000
PEER = "postgres_exporter"
WITHIN = 30.0
UP = "specter_pg_collector_success"


@click.command("data")
@click.option("--runs", default=40, show_default=True, help="Scrapes of each exporter, in turn.")
@click.option("--jobs", default=JOBS, show_default=True, help="Scheduled jobs that are pinged.")
@click.option("--checks", default=CHECKS, show_default=True, help="Checks of the server's data.")
@click.option("--seconds", default=SECONDS, show_default=True, help="For which jobs are pinged.")
def suite(runs: int, jobs: int, checks: int, seconds: float) -> None:
    """Time scrapes of a thousand tables and of a hundred queues, checks of data, pings of jobs, runs."""
    with running_postgres() as server, ExitStack() as stack:
        fill(server)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = folder / "postgres.yml"
        config.write_text(
            f'servers: [{{name: main, dsn: "{server.dsn}", password_file: "{server.password_file}"}}]\n'
        )
        ours, process = stack.enter_context(exporter(folder, "postgres", "--config", str(config)))
        peer = stack.enter_context(peer_running(server))
        times = alternate({"ours": ours, **({"peer": peer} if peer else {})}, runs)
        baseline = statistics.median(times["peer"]) if peer else None
        report(
            "postgres_scrape_ms",
            statistics.median(times["ours"]),
            "ms",
            baseline=baseline,
            baseline_name=PEER if peer else "",
        )
        report("postgres_rss_mb", process.memory_info().rss / 1e6, "MB")
        with locked(server):
            report("postgres_locked_scrape_ms", scrape(ours), "ms")
        report_sql(server, checks)
    report_queues(runs)
    report_jobs(seconds, jobs)
    report_runs(runs)


def fill(server: PostgresServer) -> None:
    """Make the tables, with a row each."""
    with connect(server) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")
        for number in range(TABLES):
            connection.execute(f"CREATE TABLE t{number} (id serial PRIMARY KEY, v text)".encode())
            connection.execute(f"INSERT INTO t{number} (v) VALUES ('v')".encode())


def connect(server: PostgresServer) -> "psycopg.Connection[tuple[object, ...]]":
    """Return a session of the superuser."""
    return psycopg.connect(server.dsn, password=server.password, autocommit=True)


@contextmanager
def peer_running(server: PostgresServer) -> Iterator[str | None]:
    """Run postgres_exporter with its defaults; yield where, None if it is not installed."""
    program = shutil.which(PEER) or shutil.which(f"prometheus-{PEER.replace('_', '-')}")
    if program is None:
        yield None
        return
    port = free_port()
    environment = {
        **os.environ,
        "DATA_SOURCE_URI": f"{server.host}:{server.port}/{server.database}?sslmode=disable",
        "DATA_SOURCE_USER": server.user,
        "DATA_SOURCE_PASS_FILE": str(server.password_file),
    }
    process = subprocess.Popen(
        [program, f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        url = f"http://127.0.0.1:{port}/metrics"
        wait(lambda: answers(url))
        yield url
    finally:
        process.terminate()
        process.wait(WITHIN)


def answers(url: str) -> bool:
    """Return whether something answers at `url`."""
    try:
        return requests.get(url, timeout=WITHIN).ok
    except requests.ConnectionError:
        return False


def wait(ask: Callable[[], bool]) -> None:
    """Poll `ask` until it says yes."""
    deadline = time.monotonic() + WITHIN
    while not ask():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came within {WITHIN:g} s")
        time.sleep(0.05)


def alternate(urls: dict[str, str], runs: int) -> dict[str, list[float]]:
    """Return the milliseconds of `runs` scrapes of each, in turn, after a few that warm up."""
    times: dict[str, list[float]] = {name: [] for name in urls}
    for run in range(runs + 6):
        for name, url in urls.items():
            took = scrape(url)
            if run >= 6:
                times[name].append(took)
    return times


def scrape(url: str) -> float:
    """Return the milliseconds of a scrape in which nothing failed."""
    began = time.perf_counter()
    answer = requests.get(url, timeout=WITHIN)
    took = 1000 * (time.perf_counter() - began)
    failed = [line for line in answer.text.splitlines() if line.startswith(UP) and not line.endswith(" 1.0")]
    if not answer.ok or failed:
        raise RuntimeError(f"{url}: {answer.status_code}, {failed}")
    return took


@contextmanager
def locked(server: PostgresServer) -> Iterator[None]:
    """Lock a table exclusively, and let three sessions wait for it."""
    with connect(server) as holder, ExitStack() as stack:
        holder.execute("BEGIN; LOCK TABLE t1 IN ACCESS EXCLUSIVE MODE")
        threads = []
        for _ in range(3):
            session = stack.enter_context(connect(server))
            threads.append(threading.Thread(target=session.execute, args=(b"SELECT FROM t1",)))
            threads[-1].start()
        wait(lambda: _waiting(holder) == 3)
        yield
        holder.execute("ROLLBACK")
        for thread in threads:
            thread.join()


def _waiting(session: "psycopg.Connection[tuple[object, ...]]") -> int:
    [(count,)] = session.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchall()
    return int(str(count))
