"""A scrape of the queue exporter: a hundred Celery queues on one Redis, as publishers and workers leave them.

The exporter runs as it is shipped, in a process of its own that keeps its state. It knows the broker's
address alone. A scrape is a whole HTTP request on a warm connection.
"""

import json
import re
import statistics
import time

import requests

from benchmarks import report
from benchmarks.apps.exporting import WITHIN, exporter
from tests.servers.redis import RedisProcess, running_redis

QUEUES = 100
WAITING, TAKEN = 10, 3
"""Messages of each queue: ready in each of two priorities, and in progress."""
WARM = 6


def report_queues(runs: int, queues: int = QUEUES) -> None:
    """Print milliseconds of a scrape and the exporter's memory.

    Args:
        runs: scrapes that are timed, after a few that warm up.
        queues: that there are.
    """
    with running_redis() as server, requests.Session() as session:
        fill(server, queues)
        options = ["--redis.url", server.url, "--storage.path", str(server.folder / "state")]
        with exporter(server.folder, "queues", *options) as (url, process):
            times = [scrape(session, url, queues) for _ in range(runs + WARM)][WARM:]
            report("queue_scrape_ms", statistics.median(times), "ms")
            report("queue_exporter_rss_mb", process.memory_info().rss / 1e6, "MB")


def fill(server: RedisProcess, queues: int) -> None:
    """Publish as kombu does."""
    message = json.dumps({"body": "x" * 200, "headers": {"id": "1", "task": "t"}, "properties": {}})
    with server.client() as client, client.pipeline() as batch:
        for number in range(queues):
            name = f"queue{number:03}"
            batch.sadd(f"_kombu.binding.{name}", f"{name}\x06\x16\x06\x16{name}")
            for priority in ("", "\x06\x163"):
                batch.lpush(f"{name}{priority}", *[message] * WAITING)
            for taken in range(TAKEN):
                batch.hset("unacked", f"{name}-{taken}", f'[{message}, "", "{name}"]')
                batch.zadd("unacked_index", {f"{name}-{taken}": 1.7e9 + number})
        batch.execute()


def scrape(session: requests.Session, url: str, queues: int) -> float:
    """Return the milliseconds of a scrape that has every queue."""
    began = time.perf_counter()
    text = session.get(url, timeout=WITHIN).text
    took = 1000 * (time.perf_counter() - began)
    seen = len(re.findall(r"^specter_queue_in_progress\{.*\} 3\.0$", text, re.MULTILINE))
    if seen != queues:
        raise RuntimeError(f"{url}: {seen} queues are told, expected {queues}")
    return took
