"""A deadline for a PostgreSQL connection, also of a server that stands still."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def cut_after(connection: "psycopg.Connection[Any]", seconds: float) -> Iterator[None]:
    """Give the block `seconds`, or cut its connection.

    Raises:
        TimeoutError: the connection was cut.
    """
    cut = threading.Event()
    timer = threading.Timer(seconds, _cut, [connection, cut])
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:  # the driver's own, or what a library made of it
        if cut.is_set():
            raise TimeoutError(f"no answer within {seconds:g} s") from error
        raise
    finally:
        timer.cancel()
        # Or it might cut what is asked next.
        timer.join()


def _cut(connection: "psycopg.Connection[Any]", done: threading.Event) -> None:
    """End the connection of a thread that waits for an answer: it cannot be killed, its socket can."""
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as end:
            done.set()
            end.shutdown(socket.SHUT_RDWR)
    except (psycopg.Error, OSError):  # it is closed already, which is what was wanted
        return
