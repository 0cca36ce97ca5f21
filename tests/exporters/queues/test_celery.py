"""Celery on a real Redis: priorities, what workers hold, what became of tasks, and workers that die."""

import os
import signal
import time
from pathlib import Path

import pytest
import redis

from specter_exporters.queues.on_redis.model import RedisServer
from tests.exporters.queues.asking import asking, failing, found
from tests.exporters.queues.celery_running import APP, publish, worker
from tests.exporters.serving import until
from tests.servers.redis import RedisProcess, running_redis

pytestmark = pytest.mark.integration
MAIL = ("mail", "celery")


def watched(server: RedisProcess) -> RedisServer:
    return RedisServer("main", server.url, discover=("celery",))


def test_messages_of_every_priority_wait_and_the_stamp_tells_since_when(
    server: RedisProcess, client: redis.Redis
) -> None:
    before = time.time()
    publish(server.url, "for each in (0, 3, 9, 9): succeed.apply_async(priority=each)", STAMPED="yes")
    assert client.llen("mail") == 1
    with asking(watched(server)) as scrape:
        seen = scrape()
    assert found(seen, "ready") == found(seen, "depth") == {MAIL: 4}
    assert found(seen, "in_progress") == found(seen, "scheduled") == {MAIL: 0}
    [(labels, oldest)] = found(seen, "oldest_timestamp_seconds").items()
    assert labels == ("published", *MAIL)
    assert before <= oldest <= time.time()
    assert found(seen, "discovery_complete") == {(): 1}
    assert found(seen, "workers") == {}


def put(client: redis.Redis, name: str, *messages: bytes) -> None:
    """Publish as kombu does."""
    client.sadd(f"_kombu.binding.{name}", f"{name}\x06\x16\x06\x16{name}")
    client.lpush(name, *messages)


def test_without_a_stamp_the_age_is_at_least_since_it_was_seen(
    server: RedisProcess, client: redis.Redis
) -> None:
    put(client, "mail", b'{"body": "", "headers": {"id": "1"}}', b'{"body": "", "headers": {"id": "2"}}')
    with asking(watched(server)) as scrape:
        first, second = (found(scrape(), "oldest_timestamp_seconds") for _ in range(2))
        client.rpop("mail")
        third = found(scrape(), "oldest_timestamp_seconds")
    assert list(first) == list(third) == [("first_seen", *MAIL)]
    assert first == second
    assert third["first_seen", *MAIL] > first["first_seen", *MAIL]


def test_what_became_of_tasks_is_counted_and_a_killed_worker_is_seen_by_its_heartbeat(
    server: RedisProcess, client: redis.Redis, tmp_path: Path
) -> None:
    publish(server.url, "succeed.delay(); fail.delay(); hold.apply_async(countdown=900); retry.delay()")
    with asking(watched(server)) as scrape, worker(server.url, tmp_path) as process:
        until(lambda: found(scrape(), "workers").get(("busy", "celery")) == 1, "a task that runs")
        until(lambda: found(scrape(), "failed_total").get(MAIL) == 2, "a retry that failed")
        seen = scrape()
        assert found(seen, "retried_total") == {MAIL: 1}
        assert found(seen, "completed_total") == {MAIL: 1}
        assert found(seen, "task_failures_total") == {(f"{APP}.fail",): 1, (f"{APP}.retry",): 1}
        # One of the three runs, which is acknowledged when it starts; the others were taken in advance.
        assert (found(seen, "in_progress"), found(seen, "scheduled")) == ({MAIL: 2}, {MAIL: 1})
        assert time.time() - 60 < found(seen, "oldest_in_progress_timestamp_seconds")[MAIL] <= time.time()
        os.killpg(process.pid, signal.SIGKILL)
        began = time.monotonic()
        until(lambda: found(scrape(), "workers").get(("lost", "celery")) == 1, "a lost worker")
        assert time.monotonic() - began < 8
        seen = scrape()
        assert found(seen, "workers") == {
            ("busy", "celery"): 0,
            ("idle", "celery"): 0,
            ("lost", "celery"): 1,
            ("suspended", "celery"): 0,
        }
        assert time.time() - 20 < found(seen, "worker_heartbeat_timestamp_seconds")["celery", "one@host"]
        assert found(seen, "failed_total") == {MAIL: 2}
        assert failing(seen) == {}


def test_the_brokers_transport_options_are_known(server: RedisProcess, client: redis.Redis) -> None:
    client.sadd("shop._kombu.binding.orders", "o.*:o.*:mail", "p::post")
    client.lpush("shop.mail:5", "a", "b")
    client.lpush("shop.post", "a")
    client.hset("shop.unacked", "tag", '[{"headers": {"eta": "2999-01-01T00:00:00"}}, "orders", "p"]')
    client.zadd("shop.unacked_index", {"tag": 1e9})
    options = RedisServer(
        "main",
        server.url,
        discover=("celery",),
        celery_priorities=(0, 5),
        celery_separator=":",
        celery_prefix="shop.",
    )
    with asking(options) as scrape:
        seen = scrape()
    assert found(seen, "ready") == {MAIL: 2, ("post", "celery"): 1}
    assert found(seen, "scheduled") == {MAIL: 0, ("post", "celery"): 1}
    assert found(seen, "in_progress") == {MAIL: 0, ("post", "celery"): 0}


def test_where_more_is_in_progress_than_was_looked_at_it_is_unknown_until_it_was(
    server: RedisProcess, client: redis.Redis
) -> None:
    put(client, "mail", b"{}")
    body = '[{"headers": {}}, "", "mail"]'
    client.hset("unacked", mapping={f"tag {number}": body for number in range(1500)})
    client.zadd("unacked_index", {f"tag {number}": 1e9 for number in range(1500)})
    with asking(watched(server)) as scrape:
        first, second = scrape(), scrape()
    assert (found(first, "ready"), found(first, "in_progress"), found(first, "depth")) == ({MAIL: 1}, {}, {})
    assert (found(second, "in_progress"), found(second, "depth")) == ({MAIL: 1500}, {MAIL: 1501})
    assert found(second, "arrived_total") == {MAIL: 0}


def test_more_queues_than_allowed_are_left_out_and_counted(server: RedisProcess, client: redis.Redis) -> None:
    for number in range(7):
        client.sadd("_kombu.binding.all", f"q{number}\x06\x16\x06\x16q{number}")
    with asking(RedisServer("main", server.url, discover=("celery",), max_queues=5)) as scrape:
        seen = scrape()
    assert len(found(seen, "ready")) == 5
    assert found(seen, "dropped_queues")[("celery",)] == 2


def test_a_lost_list_of_a_broker_that_evicts_is_not_shown_as_calm() -> None:
    with (
        running_redis("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-random") as full,
        asking(watched(full)) as scrape,
        full.client() as other,
    ):
        put(other, "mail", *(b"%d" % number for number in range(20)))
        assert found(scrape(), "ready") == {MAIL: 20}
        number = 0
        while other.exists("mail"):
            other.set(f"filler {number}", "x" * 20_000)
            number += 1
        seen = scrape()
    assert found(seen, "ready").get(MAIL, 0) == 0
    assert found(seen, "broker_evicts") == {(): 1}
    assert seen["specter_cache_evictions_total", ("main",)] > 0
    # Nobody has finished what was deleted.
    assert found(seen, "completed_total").get(MAIL, 0) == 0
