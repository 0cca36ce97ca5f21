"""Connections on which an answer's headers are there in time, or not at all."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

from specter_core.http_adapter import OwnConnections


def _in_time(connection: HTTPConnection, receive: Callable[[], HTTPResponse]) -> HTTPResponse:
    """Return the answer of `receive`, whose headers may take the read time-out of `connection` in all.

    A time-out of a socket starts anew with each byte, so a server that drips them has no end of its own.

    Raises:
        TimeoutError: they took longer.
    """
    connected, seconds = connection.sock, connection.timeout
    if connected is None or seconds is None:
        return receive()
    late = threading.Event()

    def break_off() -> None:
        late.set()
        # Of the plain socket: TLS would take the reader's session away while it reads.
        with suppress(OSError):
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    alarm = threading.Timer(seconds, break_off)
    alarm.daemon = True
    alarm.start()
    try:
        response = receive()
    except (OSError, HTTPException) as error:
        if late.is_set():
            raise TimeoutError("timed out") from error
        raise
    finally:
        alarm.cancel()
        alarm.join()
    if late.is_set():  # the end of a connection looks like the end of the headers
        response.close()
        raise TimeoutError("timed out")
    return response


class _Plain(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's
        return _in_time(self, super().getresponse)


class _Secure(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's
        return _in_time(self, super().getresponse)


class PunctualAdapter(OwnConnections):
    """Requests' adapter, whose read time-out is for all headers of an answer together; the body has none.

    Args:
        options: see `HTTPAdapter`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(_Plain, _Secure, **options)
