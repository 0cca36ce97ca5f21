"""Lists, sorted sets and streams of a real Redis: what is known is told, what is not is left out."""

import json
import time
from typing import Any

import pytest
import redis

from specter_exporters.queues.ledger import Ledger
from specter_exporters.queues.on_redis.model import Key, RedisServer
from specter_exporters.queues.publishing import stamped
from tests.exporters.queues.asking import asking, failing, found, reason
from tests.exporters.serving import until
from tests.servers.prometheus import free_port
from tests.servers.redis import RedisProcess, running_redis

pytestmark = pytest.mark.integration


def watched(server: RedisProcess, *keys: Key) -> RedisServer:
    return RedisServer("main", server.url, queues=keys, discover=())


def test_two_kinds_of_one_name_have_dead_letters_of_their_own(
    server: RedisProcess, client: redis.Redis
) -> None:
    client.rpush("dead-list", "1", "2")
    client.rpush("dead-set", "1")
    keys = (
        Key("mail", "list", "mail", dead_letters="dead-list"),
        Key("mail", "sorted_set", "later", dead_letters="dead-set"),
    )
    with asking(watched(server, *keys)) as scrape:
        seen = scrape()
    assert found(seen, "dead_letters") == {("mail", "list"): 2, ("mail", "sorted_set"): 1}


def test_a_list_is_told_with_its_dead_letters_and_without_an_age_while_it_is_empty(
    server: RedisProcess, client: redis.Redis
) -> None:
    client.rpush("dead", "a", "b")
    with asking(watched(server, Key("mail", "list", "mail", dead_letters="dead"))) as scrape:
        seen = scrape()
    assert found(seen, "ready") == found(seen, "depth") == {("mail", "list"): 0}
    assert found(seen, "dead_letters") == {("mail", "list"): 2}
    assert found(seen, "oldest_timestamp_seconds") == {}
    assert found(seen, "in_progress") == found(seen, "workers") == {}


def test_a_stamped_message_has_its_age_and_another_one_at_least_since_it_is_next(
    server: RedisProcess, client: redis.Redis
) -> None:
    client.lpush("stamped", json.dumps(stamped({"to": "a"}, now=lambda: 1_700_000_000.0)), "later")
    client.lpush("plain", "first", "second")
    keys = Key("stamped", "list", "stamped"), Key("plain", "list", "plain")
    before = time.time()
    with asking(watched(server, *keys)) as scrape:
        first = found(scrape(), "oldest_timestamp_seconds")
        again = found(scrape(), "oldest_timestamp_seconds")
        client.rpop("plain")
        after = time.time()
        moved = found(scrape(), "oldest_timestamp_seconds")
    assert first["published", "stamped", "list"] == 1_700_000_000
    assert before <= first["first_seen", "plain", "list"] <= after
    assert again == first
    assert moved["first_seen", "plain", "list"] >= after


def test_of_two_equal_messages_no_age_is_made_up(server: RedisProcess, client: redis.Redis) -> None:
    client.lpush("mail", "same", "same")
    with asking(watched(server, Key("mail", "list", "mail"))) as scrape:
        assert found(scrape(), "oldest_timestamp_seconds") == {}


def test_what_a_list_grew_and_shrank_by_is_counted_at_least(
    server: RedisProcess, client: redis.Redis
) -> None:
    queue = ("mail", "list")
    ledger = Ledger()
    client.lpush("mail", *range(5))
    with asking(watched(server, Key("mail", "list", "mail")), ledger=ledger) as scrape:
        assert found(scrape(), "arrived_total") == {queue: 0}
        client.lpush("mail", *range(7))
        assert found(scrape(), "arrived_total") == {queue: 7}
        client.rpop("mail", 9)
        seen = scrape()
    assert (found(seen, "arrived_total"), found(seen, "completed_total")) == ({queue: 7}, {queue: 9})
    client.rpop("mail", 1)
    with asking(watched(server, Key("mail", "list", "mail")), ledger=ledger) as scrape:
        assert found(scrape(), "completed_total") == {queue: 10}


def test_a_sorted_set_by_due_time_is_ready_and_scheduled(server: RedisProcess, client: redis.Redis) -> None:
    now = time.time()
    client.zadd("due", {"a": now - 60, "b": now - 5, "c": now + 600})
    client.zadd("prio", {"x": 5, "y": 1})
    keys = Key("due", "sorted_set", "due"), Key("prio", "sorted_set", "prio", score="priority")
    with asking(watched(server, *keys)) as scrape:
        seen = scrape()
    assert found(seen, "ready") == {("due", "sorted_set"): 2, ("prio", "sorted_set"): 2}
    assert found(seen, "scheduled") == {("due", "sorted_set"): 1}
    oldest = found(seen, "oldest_timestamp_seconds")
    assert oldest["published", "due", "sorted_set"] == pytest.approx(now - 60)
    assert oldest["first_seen", "prio", "sorted_set"] >= now


def test_a_stream_is_told_by_group_and_a_deleted_entry_makes_unknown_and_not_0(
    server: RedisProcess, client: redis.Redis
) -> None:
    entries: list[Any] = [client.xadd("events", {"n": n}) for n in range(6)]
    client.xgroup_create("events", "mailers", "0")
    client.xreadgroup("mailers", "one", {"events": ">"}, count=2)
    client.xack("events", "mailers", entries[0])
    queue = ("events/mailers", "stream")
    with asking(watched(server, Key("events", "stream", "events"))) as scrape:
        seen = scrape()
        assert (found(seen, "ready"), found(seen, "in_progress")) == ({queue: 4}, {queue: 1})
        assert found(seen, "consumers") == {queue: 1}
        assert found(seen, "arrived_total") == {queue: 6}
        assert found(seen, "completed_total") == {queue: 1}
        published = int(entries[2].partition(b"-")[0]) / 1000
        assert found(seen, "oldest_timestamp_seconds") == {("published", *queue): published}
        client.xdel("events", entries[4])
        deleted = scrape()
        assert client.xinfo_groups("events")[0]["lag"] is None
        assert (found(deleted, "ready"), found(deleted, "depth")) == ({}, {})
        assert found(deleted, "oldest_timestamp_seconds") == {("published", *queue): published}
        assert failing(deleted) == {}
        client.xreadgroup("mailers", "one", {"events": ">"})
        read = scrape()
        assert (found(read, "ready"), found(read, "in_progress")) == ({queue: 0}, {queue: 4})
        assert found(read, "oldest_timestamp_seconds") == {}


def test_a_stream_that_lags_behind_a_deletion_at_its_end_has_nothing_ready(
    server: RedisProcess, client: redis.Redis
) -> None:
    last = [client.xadd("events", {"n": n}) for n in range(3)][-1]
    client.xgroup_create("events", "mailers", "0")
    client.xreadgroup("mailers", "one", {"events": ">"}, count=2)
    client.xdel("events", last)
    with asking(watched(server, Key("events", "stream", "events"))) as scrape:
        assert found(scrape(), "ready") == {("events/mailers", "stream"): 0}


def test_a_key_of_another_type_costs_its_own_queue_and_is_named(
    server: RedisProcess, client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    client.set("mail", "text")
    client.lpush("other", "a")
    with asking(watched(server, Key("mail", "list", "mail"), Key("next", "list", "other"))) as scrape:
        seen = scrape()
    assert failing(seen) == {"keys": "wrong_type"}
    assert "keys: wrong_type: key mail: WRONGTYPE" in caplog.text
    assert found(seen, "ready") == {("next", "list"): 1}
    assert found(seen, "up") == {(): 1}


def test_a_broker_that_is_gone_is_said_beside_one_that_lives_and_comes_back(server: RedisProcess) -> None:
    with running_redis() as mortal:
        here, there = (
            watched(server, Key("q", "list", "q")),
            RedisServer("second", mortal.url, queues=(Key("mail", "list", "mail"),)),
        )
        with asking(here, there) as scrape:
            up = {labels: value for (name, labels), value in scrape().items() if name == "specter_queue_up"}
            assert up == {("main",): 1, ("second",): 1}
            with mortal.client() as client:
                client.lpush("mail", *range(50))
            assert scrape()["specter_queue_arrived_total", ("mail", "second", "list")] == 50
            mortal.kill()
            seen = scrape()
            up = {labels: value for (name, labels), value in seen.items() if name == "specter_queue_up"}
            assert (up, reason(seen)) == ({("main",): 1, ("second",): 0}, ["refused"])
            assert found(seen, "ready") == {("q", "list"): 0}
            assert ("specter_cache_memory_bytes", ("second",)) not in seen
            mortal.start()
            seen = scrape()
            assert reason(seen) == []
            # What it lost was not finished.
            assert seen["specter_queue_ready", ("mail", "second", "list")] == 0
            assert seen["specter_queue_completed_total", ("mail", "second", "list")] == 0


def test_a_broker_that_stands_still_is_a_time_out_and_the_others_are_told(server: RedisProcess) -> None:
    with running_redis() as stopped:
        here, there = watched(server, Key("q", "list", "q")), RedisServer("second", stopped.url, discover=())
        with asking(here, there) as scrape, stopped.client() as client:
            scrape()
            client.client_pause(1500, all=True)
            began = time.monotonic()
            seen = scrape("1.2")
            took = time.monotonic() - began
            assert reason(seen) == ["timeout"]
            assert found(seen, "ready") == {("q", "list"): 0}
            assert took < 1.2
            until(lambda: reason(scrape()) == [], "an answer of the server that goes on")


def test_a_server_that_never_was_there_is_refused() -> None:
    with asking(RedisServer("main", f"redis://127.0.0.1:{free_port()}/0")) as scrape:
        assert reason(scrape()) == ["refused"]


def test_a_policy_that_may_delete_messages_is_said_of_a_server_with_queues(
    server: RedisProcess, client: redis.Redis
) -> None:
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", "200mb")
    try:
        with asking(watched(server, Key("q", "list", "q"))) as scrape:
            seen = scrape()
        with asking(watched(server)) as scrape:
            empty = scrape()
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "0")
    assert found(seen, "broker_evicts") == {(): 1}
    assert seen["specter_cache_memory_max_bytes", ("main",)] == 200 * 2**20
    assert found(empty, "broker_evicts") == {}
    with asking(watched(server, Key("q", "list", "q"))) as scrape:
        safe = scrape()
    assert found(safe, "broker_evicts") == {(): 0}
    assert ("specter_cache_memory_max_bytes", ("main",)) not in safe
