"""A Redis for the tests of a module, empty at the beginning of each."""

from collections.abc import Iterator

import pytest
import redis

from tests.servers.redis import RedisProcess, running_redis


@pytest.fixture(scope="module")
def server() -> Iterator[RedisProcess]:
    with running_redis() as process:
        yield process


@pytest.fixture
def client(server: RedisProcess) -> Iterator[redis.Redis]:
    with server.client() as connection:
        connection.flushall()
        yield connection
