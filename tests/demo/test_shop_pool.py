"""The bounded connection pool, with connections that are counted instead of opened."""

from typing import cast

import pytest

from specter_demo.shop.database import Connection, Pool, PoolTimeoutError


class FakeConnection:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Opener:
    def __init__(self) -> None:
        self.opened: list[FakeConnection] = []
        self.broken = False

    def __call__(self) -> Connection:
        if self.broken:
            raise ConnectionError("no server")
        self.opened.append(FakeConnection())
        return cast("Connection", self.opened[-1])


def test_idle_connection_is_lent_again() -> None:
    opener = Opener()
    pool = Pool(opener, size=3)
    for _ in range(5):
        with pool.connection():
            pass
    assert len(opener.opened) == 1


def test_no_more_than_size_are_opened_and_the_next_waits_in_vain() -> None:
    opener = Opener()
    pool = Pool(opener, size=2, wait=0.01)
    with (
        pool.connection(),
        pool.connection(),
        pytest.raises(PoolTimeoutError, match=r"within 0\.01 s"),
        pool.connection(),
    ):
        pass
    assert len(opener.opened) == 2


def test_broken_connection_takes_the_idle_ones_with_it() -> None:
    opener = Opener()
    pool = Pool(opener, size=3)
    with pool.connection(), pool.connection():
        pass
    with pool.connection() as connection:
        connection.close()
    assert [connection.closed for connection in opener.opened] == [True, True]
    with pool.connection() as connection:
        assert not connection.closed
    assert len(opener.opened) == 3


def test_slot_comes_back_when_opening_fails() -> None:
    opener = Opener()
    pool = Pool(opener, size=1, wait=0.01)
    opener.broken = True
    for _ in range(3):
        with pytest.raises(ConnectionError), pool.connection():
            pass
    opener.broken = False
    with pool.connection() as connection:
        assert not connection.closed


def test_connection_survives_an_error_of_the_block() -> None:
    opener = Opener()
    pool = Pool(opener, size=1)
    with pytest.raises(KeyError), pool.connection():
        raise KeyError("a mistake of the caller")
    with pool.connection():
        pass
    assert len(opener.opened) == 1
    pool.close()
    assert opener.opened[0].closed
