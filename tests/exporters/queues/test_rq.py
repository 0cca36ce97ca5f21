"""RQ on a real Redis: queues, registries, and workers that die."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import redis
from rq import Queue

from specter_exporters.queues.on_redis.model import RedisServer
from tests.exporters.queues import rq_jobs
from tests.exporters.queues.asking import asking, failing, found
from tests.exporters.serving import until
from tests.servers.redis import RedisProcess

pytestmark = pytest.mark.integration
MAIL = ("mail", "rq")


def watched(server: RedisProcess) -> RedisServer:
    return RedisServer("main", server.url, discover=("rq",))


def kill(process: "subprocess.Popen[bytes]") -> None:
    """End a worker at once, and the process that does its job: that one is of a session of its own."""
    if process.poll() is None:
        job = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for each in job:
            each.kill()
    process.wait(20)


@contextmanager
def worker(server: RedisProcess, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "rq.cli", "worker", "--url", server.url, "--name", "one"),
                *("--path", str(Path(__file__).parents[3]), "mail"),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        kill(process)


def test_jobs_wait_since_they_were_put_in_and_later_ones_are_scheduled(
    server: RedisProcess, client: redis.Redis
) -> None:
    queue = Queue("mail", connection=client)
    before = time.time()
    first = queue.enqueue(rq_jobs.succeed)
    queue.enqueue(rq_jobs.succeed, depends_on=first)
    queue.enqueue_in(timedelta(hours=1), rq_jobs.succeed)
    with asking(watched(server)) as scrape:
        seen = scrape()
    assert (found(seen, "ready"), found(seen, "scheduled")) == ({MAIL: 1}, {MAIL: 2})
    assert found(seen, "depth") == {MAIL: 3}
    assert found(seen, "dead_letters") == found(seen, "in_progress") == {MAIL: 0}
    [(labels, oldest)] = found(seen, "oldest_timestamp_seconds").items()
    assert labels == ("published", *MAIL)
    assert before - 0.001 <= oldest <= time.time()
    assert set(found(seen, "workers").values()) == {0}


def test_what_is_finished_is_counted_and_a_killed_worker_is_lost_at_once(
    server: RedisProcess, client: redis.Redis, tmp_path: Path
) -> None:
    queue = Queue("mail", connection=client)
    queue.enqueue(rq_jobs.succeed)
    with asking(watched(server)) as scrape:
        scrape()
        with worker(server, tmp_path) as process:
            until(lambda: found(scrape(), "completed_total").get(MAIL) == 1, "a job that is done")
            for job in (rq_jobs.fail, rq_jobs.fail, rq_jobs.succeed, rq_jobs.succeed, rq_jobs.hold):
                queue.enqueue(job)
            until(lambda: found(scrape(), "ready").get(MAIL) == 0, "the last job taken")
            begun = until(
                lambda: found(scrape(), "oldest_in_progress_timestamp_seconds").get(MAIL),
                "the last job begun",
            )
            assert time.time() - 60 < begun <= time.time()
            until(lambda: found(scrape(), "workers").get(("busy", "rq")) == 1, "a busy worker")
            seen = scrape()
            assert found(seen, "completed_total") == {MAIL: 3}
            assert found(seen, "failed_total") == {MAIL: 2}
            assert found(seen, "dead_letters") == {MAIL: 2}
            assert found(seen, "arrived_total")[MAIL] >= 5
            assert found(seen, "in_progress") == {MAIL: 1}
            kill(process)
            began = time.monotonic()
            until(lambda: found(scrape(), "workers").get(("lost", "rq")) == 1, "a lost worker")
            assert time.monotonic() - began < 10
        client.delete("rq:worker:one")
        expired = scrape()
        assert found(expired, "workers")["lost", "rq"] == 1
        assert found(expired, "worker_heartbeat_timestamp_seconds") == {}
        assert failing(expired) == {}
        # Who requeues what had failed takes nothing back of what was counted.
        client.delete("rq:failed:mail")
        assert found(scrape(), "failed_total") == {MAIL: 2}


def test_a_server_without_rq_tells_nothing_of_it(server: RedisProcess, client: redis.Redis) -> None:
    with asking(watched(server)) as scrape:
        seen = scrape()
    assert (found(seen, "ready"), found(seen, "workers"), failing(seen)) == ({}, {}, {})
