"""Pings of scheduled jobs: how many a second one core keeps on the disk, their latency, and a scrape of many.

The exporter runs as it is shipped, in a process of its own on one core, with its store on the disk of the
temporary folder. Each job has a schedule. Pings come over real sockets from another core where there is one.
"""

import os
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
from benchmarks.apps.business import WITHIN, Load, processor_time, quantile

JOBS = 10_000
SECONDS = 5.0
CONNECTIONS = 32
OFFERED = 1500.0
"""Pings a second at which latency is measured: the goal of `job_pings_per_s`."""
KEY = "a-ping-key-for-the-benchmark"
SCRAPES = 9
HEADERS = "X-Specter-Schedule: 30 2 * * *\r\nX-Specter-Timezone: Europe/Berlin\r\n"


def report_jobs(seconds: float = SECONDS, jobs: int = JOBS) -> None:
    """Print pings a second, each on the disk before its answer, their latency, and milliseconds of a scrape.

    Args:
        seconds: each of the first two is measured for.
        jobs: that there are.
    """
    with TemporaryDirectory() as folder, exporter(Path(folder), jobs) as (metrics, port, process):
        load = Pings(port, CONNECTIONS, jobs)
        load.make()
        before = processor_time(process)
        most = load.run(1, seconds=seconds)
        took = processor_time(process) - before
        report("job_pings_per_s", len(most.latencies) / most.seconds, "pings/s")
        report("job_ping_cpu_us", took / len(most.latencies) * 1e6, "us")
        paced = load.run(1, seconds=seconds, rate=OFFERED)
        report("job_ping_p99_ms", 1e3 * quantile(paced.latencies, 0.99), "ms")
        report("job_ping_p50_ms", 1e3 * quantile(paced.latencies, 0.5), "ms")
        report("job_pings_offered_per_s", len(paced.latencies) / paced.seconds, "pings/s")
        scrapes = [scrape(metrics, jobs) for _ in range(SCRAPES)]
        name = f"jobs_{jobs // 1000}k_scrape_ms"
        report(name, statistics.median(scrapes), "ms")
        load.all()
        report(f"{name.removesuffix('_ms')}_all_changed_ms", scrape(metrics, jobs), "ms")
        # Others on the machine slow down all but the processor time: what was measured beside them.
        report("job_load_average", os.getloadavg()[0], "processes")


@contextmanager
def exporter(folder: Path, jobs: int) -> Iterator[tuple[str, int, psutil.Process]]:
    """Run the exporter on the first core; yield the URL of its metrics, the port of its pings, it."""
    (folder / "key").write_text(KEY)
    config = folder / "jobs.yml"
    config.write_text(
        f"ping_key_file: key\nmost_made: {jobs}\nrequests_per_second: 1.0e+5\n"
        "job_requests_per_second: 1.0e+5\n"
    )
    command = [sys.executable, "-m", "specter_core", "exporter", "jobs", "--config", str(config),
               "--storage.path", str(folder / "data"), "--ping.listen-address", "127.0.0.1:0",
               "--web.listen-address", "127.0.0.1:0"]  # fmt: skip
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stderr=output)
    cores = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(process.pid, cores[:1])
        os.sched_setaffinity(0, cores[1:] or cores)
        deadline = time.monotonic() + WITHIN
        while (found := re.search(r"metrics: (\S+)\npings: \S+:(\d+)", log.read_text())) is None:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"the exporter does not listen: {log.read_text()}")
            time.sleep(0.05)
        yield f"{found[1]}/metrics", int(found[2]), psutil.Process(process.pid)
    finally:
        os.sched_setaffinity(0, cores)
        process.terminate()
        process.wait(WITHIN)


class Pings(Load):
    """Pings of all jobs in turn; see `Load`.

    Args:
        port: of the exporter.
        connections: so many.
        jobs: so many.
    """

    def __init__(self, port: int, connections: int, jobs: int) -> None:
        super().__init__(port, connections)
        self._jobs = jobs
        self._query, self._headers = "", ""

    def make(self) -> None:
        """Make all jobs."""
        self._query, self._headers = "?create=1", HEADERS
        self.all()
        self._query, self._headers = "", ""

    def all(self) -> None:
        """Send a ping of each."""
        goal = self._number + self._jobs
        while self._number < goal:
            self.run(1, seconds=0.2)

    def _request(self, events: int) -> bytes:
        self._number += events
        path = f"/ping/{KEY}/job-{self._number % self._jobs}{self._query}"
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{self._headers}\r\n".encode()

    def _answered(self, part: bytes) -> bool:
        if part.startswith((b"HTTP/1.1 20", b"OK", b"Created")):
            return part.endswith((b"OK", b"Created")) and part != b"HTTP/1.1 200 OK"
        raise RuntimeError(f"the exporter answered {part[:200]!r}")


def scrape(url: str, jobs: int) -> float:
    """Return the milliseconds of a scrape that tells of all jobs."""
    began = time.perf_counter()
    answer = requests.get(url, timeout=WITHIN)
    took = 1000 * (time.perf_counter() - began)
    if answer.content.count(b"\nspecter_job_info{") != jobs:
        raise RuntimeError(f"{url}: {answer.status_code}, not every job is told of")
    return took
