"""Checks of data in PostgreSQL: what a run costs the exporter, and a scrape of many checks.

The exporter runs as it is shipped, in a process of its own. Each check is a trifle, so that what is measured
is the connection, the read-only transaction and its time-outs.
"""

import json
import re
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from benchmarks import report
from benchmarks.apps.business import WITHIN, processor_time
from benchmarks.apps.exporting import exporter
from tests.servers.postgres import PostgresServer

CHECKS = 200
SCRAPES = 9
RATE = 20
"""Runs a second of all checks together."""
RUNS = re.compile(r"^specter_sql_check_runs_total\{.*\} (\S+)$", re.MULTILINE)


def report_sql(server: PostgresServer, checks: int = CHECKS) -> None:
    """Print processor time and memory of the exporter while `checks` run, and milliseconds of a scrape.

    Args:
        server: that is asked.
        checks: that there are.
    """
    with TemporaryDirectory() as name:
        file = Path(name) / "sql.yml"
        configure(server, checks, file)
        with exporter(file.parent, "sql", "--config", str(file)) as (url, process):
            while min(runs(url)) < 1:
                time.sleep(0.1)
            done, took = sum(runs(url)), processor_time(process)
            # Each check runs once in that time, whenever in it, and no scrape is counted with them.
            time.sleep(checks / RATE)
            took = processor_time(process) - took
            report("sql_run_cpu_ms", took / (sum(runs(url)) - done) * 1000, "ms")
            report("sql_rss_mb", process.memory_info().rss / 1e6, "MB")
            scrapes = [scrape(url) for _ in range(SCRAPES)]
            report(f"sql_{checks}_checks_scrape_ms", statistics.median(scrapes), "ms")


def runs(url: str) -> list[float]:
    """Return how often each check has run."""
    return [float(value) for value in RUNS.findall(requests.get(url, timeout=WITHIN).text)]


def scrape(url: str) -> float:
    """Return the milliseconds of a scrape."""
    began = time.perf_counter()
    requests.get(url, timeout=WITHIN).raise_for_status()
    return 1000 * (time.perf_counter() - began)


def configure(server: PostgresServer, checks: int, file: Path) -> None:
    """Write the exporter's configuration."""
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
    file.write_text(json.dumps(config))
