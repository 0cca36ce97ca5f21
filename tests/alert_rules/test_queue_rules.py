"""The rules on queues, workers and caches read what is exposed; real brokers and real troubles fire them."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from specter_alerts import caches, promql, queues, workers
from specter_alerts.model import AlertRule, RecordingRule
from specter_alerts.promql import kind
from specter_alerts.settings import DEFAULTS
from specter_core import metrics
from specter_exporters.queues.command import run
from specter_exporters.queues.on_redis.model import Key, RedisServer
from tests.alert_rules.live import DECLARED, exporting, exposed, firing, scraping
from tests.exporters.serving import until
from tests.servers.redis import RedisProcess, running_redis

# Nobody waits here for minutes until a queue has grown in three steps.
QUICK = replace(DEFAULTS, queue_fast_step_seconds=2, queue_step_seconds=2)
GROUPS = [group for family in (queues, workers, caches) for group in family.groups(QUICK)]
RULES = [rule for group in GROUPS for rule in group.rules]
RECORDED = {rule.record for rule in RULES if isinstance(rule, RecordingRule)}
READ = {
    node.name
    for rule in RULES
    for node, _ in promql.walk(promql.parse(rule.expr))
    if kind(node) == "VectorSelector"
} - RECORDED
TROUBLES = {
    "BrokerDown",
    "BrokerPolicyUnsafe",
    "BrokerTurnsExporterAway",
    "CacheMemoryNearLimit",
    "QueueBacklogGrowing",
    "QueueCollectorFailing",
    "QueueDeadLettersGrowing",
    "QueueFailuresHigh",
    "QueueMessageOld",
    "QueueMessageOldCritical",
    "QueueRetriesHigh",
    "QueueUnknown",
    "QueueWithoutConsumers",
    "QueuesLeftOut",
    "WorkerLost",
}
PASSWORD = "a-password"


def test_every_selector_names_a_metric_and_labels_that_are_exposed() -> None:
    for rule in RULES:
        for node, _ in promql.walk(promql.parse(rule.expr)):
            if kind(node) != "VectorSelector" or node.name in RECORDED:
                continue
            labels = {matcher.name for matcher in node.matchers.matchers}
            declared = {"job"} if node.name == metrics.UP else DECLARED[node.name] | {metrics.SERVICE}
            assert labels <= declared, rule


def test_only_what_stops_work_pages() -> None:
    assert {rule.alert for rule in RULES if isinstance(rule, AlertRule) and rule.severity == "critical"} == {
        "BrokerDown",
        "BrokerEvictsMessages",
        "QueueMessageOldCritical",
        "QueueWithoutConsumers",
    }


def tell(client: redis.Redis, kind_of: str, **more: object) -> None:
    """Publish an event as a Celery worker does."""
    event = {"type": kind_of, "hostname": "celery@a", "freq": 0.5, "active": 0, **more}
    body = base64.b64encode(json.dumps(event).encode()).decode()
    message = {"body": body, "properties": {"body_encoding": "base64"}}
    client.publish(f"/0.celeryev/{kind_of.replace('-', '.')}", json.dumps(message))


@contextmanager
def beating(server: RedisProcess) -> Iterator[None]:
    """Let a worker give signs of life until the end of the block."""
    ended = threading.Event()

    def beat() -> None:
        with server.client() as client:
            while not ended.wait(0.3):
                tell(client, "worker-heartbeat")
                tell(client, "task-started", uuid="0")

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def bind(client: redis.Redis, *names: str) -> None:
    """Make Celery's queues, of one exchange."""
    for name in names:
        client.sadd("_kombu.binding.all", f"{name}\x06\x16\x06\x16{name}")


def make_trouble(main: redis.Redis, cache: redis.Redis, unread: Any) -> None:
    old = json.dumps({"headers": {"specter_published": time.time() - 4000}})
    main.rpush("mail", old)
    for number in range(10):
        tell(main, "task-sent", uuid=str(number), queue="mail")
        tell(main, "task-failed", uuid=str(number))
        tell(main, "task-retried", uuid=str(number))
    main.lpush("dead", *range(3))
    main.delete("orders")
    main.set("orders", "of another type")
    main.xdel("events", unread)
    main.config_set("maxmemory-policy", "allkeys-lru")
    bind(main, "next", "other", "third")
    used = cache.info("memory")["used_memory"]
    cache.config_set("maxmemory", int(used * 1.05))


@pytest.mark.integration
def test_ordinary_life_is_silent_and_troubles_fire_on_what_is_really_exposed(tmp_path: Path) -> None:
    with ExitStack() as stack:
        main, mortal, cache, guarded = (
            stack.enter_context(running_redis(*flags))
            for flags in ((), (), ("--maxmemory", "200mb"), ("--requirepass", PASSWORD))
        )
        secret = tmp_path / "secret"
        secret.write_text(PASSWORD)
        client, other = (stack.enter_context(each.client()) for each in (main, cache))
        bind(client, "mail")
        client.lpush("orders", "one")
        entries: list[Any] = [client.xadd("events", {"n": number}) for number in range(3)]
        client.xgroup_create("events", "readers", "0")
        keys = (
            Key("orders", "list", "orders", dead_letters="dead"),
            Key("events", "stream", "events"),
        )
        worker = stack.enter_context(ExitStack())
        worker.enter_context(beating(main))
        watched = (
            RedisServer("main", main.url, queues=keys, max_queues=2),
            RedisServer("mortal", mortal.url),
            RedisServer("cache", cache.url, discover=()),
            RedisServer("guarded", guarded.url, secret),
        )
        target, _ = stack.enter_context(exporting(lambda web, wait: run(watched, None, web, wait)))
        server = stack.enter_context(
            scraping(tmp_path / "prometheus", target, "queues", GROUPS, service="queues")
        )
        server.wait_for(f'{metrics.QUEUE_WORKERS.name}{{state="idle"}} == 1')
        # Nobody has consumers, or reads what waits: the stream's group is nobody's trouble yet.
        client.xreadgroup("readers", "one", {"events": ">"}, count=1)
        server.wait_for(f'{metrics.QUEUE_IN_PROGRESS.name}{{system="stream"}} == 1')
        server.wait_for(f"count_over_time({metrics.QUEUE_AGE}[1m]) >= 3")
        assert firing(server) == set()
        make_trouble(client, other, entries[1])
        worker.close()
        mortal.kill()
        secret.write_text("another one")
        with guarded_client(guarded) as mine:
            mine.client_kill_filter(_type="normal", skipme=True)
        growing = threading.Event()
        filling = threading.Thread(target=fill, args=(main, growing))
        filling.start()
        try:
            until(lambda: firing(server) >= TROUBLES, f"{TROUBLES}")
        finally:
            growing.set()
            filling.join()
        assert firing(server) == TROUBLES
        assert READ - exposed(server, "queues") == set()


def guarded_client(server: RedisProcess) -> redis.Redis:
    return redis.Redis(port=server.port, password=PASSWORD, protocol=2)


def fill(server: RedisProcess, ended: threading.Event) -> None:
    """Publish without an end."""
    with server.client() as client:
        while not ended.wait(0.2):
            client.lpush("mail", *range(30))
