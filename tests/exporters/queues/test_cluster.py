"""Real nodes of a Redis Cluster: one with all keys is a server like others, one of two says what it is."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from specter_exporters.queues.on_redis.model import Key, RedisServer
from tests.exporters.queues.asking import asking, failing, found
from tests.exporters.serving import until
from tests.servers.prometheus import free_port
from tests.servers.redis import RedisProcess, running_redis

pytestmark = pytest.mark.integration
MAIL, MINE, DUE = ("mail", "celery"), ("mine", "list"), ("due", "sorted_set")
KEYS = (Key("mine", "list", "mine"), Key("due", "sorted_set", "due"))


@contextmanager
def node(first: int, last: int) -> Iterator[RedisProcess]:
    """Run a node with these hash slots, of 16384."""
    flags = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with running_redis(*flags) as server, server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
        yield server


def well(server: RedisProcess) -> bool:
    with server.client() as client:
        return b"cluster_state:ok" in bytes(client.execute_command("CLUSTER", "INFO"))


def publish(client: redis.Redis | redis.RedisCluster) -> None:
    client.sadd("_kombu.binding.mail", "mail\x06\x16\x06\x16mail")
    client.lpush("mail", "a", "b")
    client.lpush("mine", "a")
    client.zadd("due", {"x": 1.0})


def test_one_node_with_all_slots_is_told_as_a_server() -> None:
    with node(0, 16383) as only, only.client() as client:
        until(lambda: well(only), "a cluster of one")
        publish(client)
        with asking(RedisServer("main", only.url, queues=KEYS)) as scrape:
            seen = scrape()
    assert found(seen, "ready") == {MAIL: 2, MINE: 1, DUE: 1}
    assert (failing(seen), found(seen, "discovery_complete")) == ({}, {(): 1})


def test_one_node_of_two_tells_its_own_keys_no_zeros_and_that_others_are_not_known() -> None:
    with node(0, 8191) as first, node(8192, 16383) as second, first.client() as client:
        port = client.config_get("cluster-port")["cluster-port"]
        with second.client() as other:
            other.execute_command("CLUSTER", "MEET", "127.0.0.1", first.port, port)
        until(lambda: well(first) and well(second), "a cluster of two")
        with redis.RedisCluster(host="127.0.0.1", port=first.port) as both:
            publish(both)
        slots = {key: client.execute_command("CLUSTER", "KEYSLOT", key) < 8192 for key in ("mine", "due")}
        here = {labels for labels, key in ((MINE, "mine"), (DUE, "due")) if slots[key]}
        with asking(RedisServer("main", first.url, queues=KEYS)) as scrape:
            seen = scrape()
    assert len(here) == 1
    assert found(seen, "ready") == dict.fromkeys(here, 1)
    assert found(seen, "depth") == found(seen, "ready")
    assert failing(seen) == {"keys": "other", "celery": "other", "rq": "other", "bullmq": "other"}
    assert found(seen, "discovery_complete") == {(): 0}
    assert found(seen, "workers") == {}
