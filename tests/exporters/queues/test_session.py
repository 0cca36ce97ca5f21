"""A connection that is cut while it is made."""

import socket
import threading

import pytest
from redis.exceptions import RedisError

from specter_exporters.queues.on_redis.model import RedisServer
from specter_exporters.queues.on_redis.session import Session


def test_a_greeting_that_does_not_end_is_cut() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = threading.Event()
        over = threading.Event()

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                asked.set()
                # So often that no time-out of a single answer comes to its end.
                while not over.wait(0.01):
                    try:
                        connection.send(b"+")
                    except OSError:
                        return

        session = Session(RedisServer("main", f"redis://127.0.0.1:{server.getsockname()[1]}/0"))
        failed = threading.Event()

        def ask() -> None:
            with pytest.raises((RedisError, OSError)):
                session.one("PING")
            failed.set()

        threads = [threading.Thread(target=each, daemon=True) for each in (greet, ask)]
        for thread in threads:
            thread.start()
        try:
            assert asked.wait(5)
            session.close()
            assert failed.wait(5)
        finally:
            over.set()
        for thread in threads:
            thread.join(5)
