"""Checks of data in PostgreSQL: what a run costs the exporter, and a scrape of many checks.

The exporter runs as it is shipped, in a process of its own. Each check is a trifle, so that what is measured
is the connection, the read-only transaction and its time-outs.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import requests

from benchmarks import report
from benchmarks.apps.business import WITHIN, processor_time
from tests.servers.postgres import PostgresServer

CHECKS = 200
SCRAPES = 9
RATE = 20
"""Runs a second of all checks together."""
RUNS = re.compile(r"^specter_sql_check_runs_total\{.*\} (\S+)$", re.MULTILINE)


def report_sql(server: PostgresServer, seconds: float, checks: int = CHECKS) -> None:
    """Print processor time and memory of the exporter while `checks` run, and milliseconds of a scrape.

    Args:
        server: that is asked.
        seconds: for which runs are counted.
        checks: that there are.
    """
    with TemporaryDirectory() as folder, exporter(server, Path(folder), checks) as (url, process):
        while min(runs(url)) < 1:
            time.sleep(0.1)
        took, done = processor_time(process), sum(runs(url))
        ends = time.monotonic() + seconds
        while sum(runs(url)) == done or time.monotonic() < ends:
            time.sleep(0.2)
        ran, took = sum(runs(url)) - done, processor_time(process) - took
        report("sql_run_cpu_ms", took / ran * 1000, "ms")
        report("sql_rss_mb", process.memory_info().rss / 1e6, "MB")
        report(f"sql_{checks}_checks_scrape_ms", statistics.median(scrape(url) for _ in range(SCRAPES)), "ms")


def runs(url: str) -> list[float]:
    """Return how often each check has run."""
    return [float(value) for value in RUNS.findall(requests.get(url, timeout=WITHIN).text)]


def scrape(url: str) -> float:
    """Return the milliseconds of a scrape."""
    began = time.perf_counter()
    requests.get(url, timeout=WITHIN).raise_for_status()
    return 1000 * (time.perf_counter() - began)


@contextmanager
def exporter(server: PostgresServer, folder: Path, checks: int) -> Iterator[tuple[str, psutil.Process]]:
    """Run the exporter; yield the URL of its metrics, and it."""
    at = f"{server.user}@{server.host}:{server.port}/{server.database}"
    config = {
        "databases": [
            {
                "name": "main",
                "dsn": f"postgresql://{at}",
                "password_file": str(server.password_file),
                "concurrency": 2,
            }
        ],
        "integrity": [
            {
                "name": f"check_{number}",
                "database": "main",
                "interval": f"{checks / RATE:g}s",
                "query": "SELECT 1 WHERE 1 = 2",
            }
            for number in range(checks)
        ],
    }
    # JSON is YAML.
    (folder / "sql.yml").write_text(json.dumps(config))
    command = [sys.executable, "-m", "specter_core", "exporter", "sql", "--config", str(folder / "sql.yml")]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "--web.listen-address", "127.0.0.1:0"], stderr=output)
    try:
        deadline = time.monotonic() + WITHIN
        while (found := re.search(r"metrics: (\S+)", log.read_text())) is None:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"the exporter does not listen: {log.read_text()}")
            time.sleep(0.05)
        yield f"{found[1]}/metrics", psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(WITHIN)
