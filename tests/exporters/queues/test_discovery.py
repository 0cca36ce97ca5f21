"""The search for queues takes little of each scrape, goes on in the next, and forgets what is gone."""

from typing import Any

import pytest
import redis

from specter_exporters.queues.on_redis.discovery import AGAIN_AFTER, STEP_SECONDS, Finder, literal
from specter_exporters.queues.on_redis.model import RedisServer
from specter_exporters.queues.on_redis.session import Session
from tests.servers.redis import RedisProcess


class Clock:
    """A clock that each look moves on by a third of what a scrape may spend."""

    def __init__(self, step: float = STEP_SECONDS / 3) -> None:
        self.now = 0.0
        self.step = step

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        self.now += self.step
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Counting(Session):
    """Counts the steps."""

    steps = 0

    def one(self, *command: Any) -> Any:
        self.steps += 1
        return super().one(*command)


@pytest.mark.integration
def test_a_large_database_is_searched_in_parts_and_all_of_it(
    server: RedisProcess, client: redis.Redis
) -> None:
    client.mset({f"result {number}": "x" for number in range(20_000)})
    for number in range(5):
        client.sadd(f"_kombu.binding.{number}", "x")
    session = Counting(RedisServer("main", server.url))
    finder = Finder("_kombu.binding.*", Clock())
    scrapes = 0
    while not finder.complete:
        before = session.steps
        finder.keys(session)
        assert 1 <= session.steps - before <= 3
        scrapes += 1
    assert scrapes > 3
    assert finder.keys(session) == tuple(f"_kombu.binding.{number}" for number in range(5))
    session.close()


@pytest.mark.integration
def test_what_was_found_is_not_searched_for_again_at_once_and_what_is_gone_is_forgotten(
    server: RedisProcess, client: redis.Redis
) -> None:
    client.mset({"bull:a:meta": 1, "bull:b:meta": 1, "bull:a:wait": 1})
    session, clock = Counting(RedisServer("main", server.url)), Clock(step=0.001)
    finder = Finder("bull:*:meta", clock)
    assert finder.keys(session) == ("bull:a:meta", "bull:b:meta")
    client.delete("bull:b:meta")
    steps = session.steps
    assert finder.keys(session) == ("bull:a:meta", "bull:b:meta")
    assert session.steps == steps
    clock.sleep(AGAIN_AFTER)
    assert finder.keys(session) == ("bull:a:meta",)
    session.close()


@pytest.mark.integration
def test_a_prefix_is_taken_as_it_is(server: RedisProcess, client: redis.Redis) -> None:
    client.mset({"a[1]*-x": 1, "a1-x": 1, "a[1]bc-x": 1})
    session = Session(RedisServer("main", server.url))
    assert Finder(f"{literal('a[1]*')}*", Clock()).keys(session) == ("a[1]*-x",)
    session.close()
