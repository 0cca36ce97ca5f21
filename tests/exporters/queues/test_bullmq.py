"""BullMQ's keys, as its versions 5.81 and 6.7 wrote them."""

import base64
import time

import pytest
import redis

from specter_exporters.queues.on_redis.model import RedisServer
from tests.exporters.queues.asking import asking, failing, found
from tests.servers.redis import RedisProcess

pytestmark = pytest.mark.integration
MAIL = ("mail", "bullmq")


def job(client: redis.Redis, number: int, added: float, **more: int) -> int:
    """Write a job, added at unix seconds."""
    for field, value in {"timestamp": int(added * 1000), **more}.items():
        client.hset(f"bull:mail:{number}", field, str(value))
    client.set("bull:mail:id", number)
    return number


def test_jobs_are_waiting_with_a_priority_or_not_active_delayed_and_failed(
    server: RedisProcess, client: redis.Redis
) -> None:
    now = int(time.time())
    client.hset("bull:mail:meta", mapping={"version": "bullmq:5.81.5", "opts.maxLenEvents": 10000})
    client.lpush("bull:mail:active", job(client, 1, now - 90, processedOn=(now - 40) * 1000))
    client.lpush("bull:mail:wait", job(client, 2, now - 60), job(client, 3, now - 10))
    client.zadd("bull:mail:prioritized", {str(job(client, 4, now - 70)): 5 * 2**32 + 1})
    client.zadd("bull:mail:delayed", {str(job(client, 5, now)): (now + 100) * 1000 * 4096})
    client.zadd("bull:mail:failed", {str(job(client, 6, now - 500)): (now - 400) * 1000})
    client.zadd("bull:mail:completed", {"7": now * 1000})
    client.zadd("bull:mail:marker", {"0": 0})
    with asking(RedisServer("main", server.url, discover=("bullmq",))) as scrape:
        seen = scrape()
        client.zadd("bull:mail:completed", {"8": (now + 1) * 1000, "9": (now + 1) * 1000})
        client.zadd("bull:mail:failed", {"10": (now + 1) * 1000})
        later = scrape()
    assert found(seen, "ready") == {MAIL: 3}
    assert found(seen, "in_progress") == found(seen, "scheduled") == found(seen, "dead_letters") == {MAIL: 1}
    assert found(seen, "depth") == {MAIL: 5}
    assert found(seen, "oldest_timestamp_seconds") == {("published", *MAIL): now - 70}
    assert found(seen, "oldest_in_progress_timestamp_seconds") == {MAIL: now - 40}
    assert found(seen, "arrived_total") == {MAIL: 6}
    assert found(seen, "completed_total") == found(seen, "failed_total") == {MAIL: 0}
    assert (found(later, "completed_total"), found(later, "failed_total")) == ({MAIL: 2}, {MAIL: 1})
    assert failing(later) == {}


def test_a_paused_queue_of_version_5_waits_all_the_same(server: RedisProcess, client: redis.Redis) -> None:
    client.hset("bull:mail:meta", mapping={"version": "bullmq:5.81.5", "paused": 1})
    client.lpush("bull:mail:paused", job(client, 1, 1_700_000_000))
    with asking(RedisServer("main", server.url)) as scrape:
        seen = scrape()
    assert found(seen, "ready") == {MAIL: 1}
    assert found(seen, "oldest_timestamp_seconds") == {("published", *MAIL): 1_700_000_000}


def test_workers_that_measure_count_exactly_and_are_known_by_their_connections(
    server: RedisProcess, client: redis.Redis
) -> None:
    client.hset("jobs:mail:meta", "version", "bullmq:6.7.0")
    client.hset("jobs:mail:metrics:completed", mapping={"count": 1200, "prevTS": 0, "prevCount": 0})
    client.hset("jobs:mail:metrics:failed", mapping={"count": 7})
    name = base64.b64encode(b"mail").decode()
    with (
        redis.Redis(port=server.port, client_name=f"jobs:{name}") as one,
        redis.Redis(port=server.port, client_name=f"jobs:{name}:w:two") as two,
        asking(RedisServer("main", server.url, bullmq_prefix="jobs")) as scrape,
    ):
        one.ping()
        two.ping()
        seen = scrape()
    assert (found(seen, "completed_total"), found(seen, "failed_total")) == ({MAIL: 1200}, {MAIL: 7})
    assert found(seen, "consumers") == {MAIL: 2}
