"""The events of Celery's workers on Redis: channels `/DB.celeryev/…` (PUB/SUB).

Nothing is kept there for who does not listen.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import RedisError

from specter_core.errors import SpecterError
from specter_exporters.queues.allowance import Allowance, GuardedSocket, OverdrawnError
from specter_exporters.queues.celery_events import events_in
from specter_exporters.queues.celery_listener import DeafError
from specter_exporters.queues.model import Problem
from specter_exporters.queues.on_redis.discovery import literal
from specter_exporters.queues.on_redis.model import RedisServer
from specter_exporters.queues.on_redis.session import connection_problem, pool

ASK_AFTER = 2
"""Seconds of silence after which the server is asked whether it lives: then silence of workers is theirs."""
_KINDS: Mapping[str, type[Any]] = {
    "redis": Connection,
    "rediss": SSLConnection,
    "unix": UnixDomainSocketConnection,
}


class RedisSubscription:
    """Subscribes to the events in the server's database.

    Args:
        server: where.
        allowance: what may be received.

    Raises:
        DeafError: the server does not answer, or refuses it.
    """

    def __init__(self, server: RedisServer, allowance: Allowance) -> None:
        with _deaf():
            connections = pool(
                server, health_check=ASK_AFTER, connection_class=_guarded(server.url, allowance)
            )
            database = connections.connection_kwargs.get("db", 0)
            self._subscription = Redis(connection_pool=connections).pubsub()
        try:
            with _deaf():
                self._subscribe(f"{literal(f'{server.celery_prefix}/{database}.celeryev')}*", server.timeout)
        except BaseException:
            self.close()
            raise

    def next(self, seconds: float) -> Sequence[Mapping[str, Any]] | None:
        """Return the events of the next message: none of one that holds none; None if none came in time.

        Raises:
            DeafError: the server is gone, or what it sends is not understood.
        """
        with _deaf():
            message = self._subscription.get_message(timeout=seconds)
            if message is None or message["type"] != "pmessage":
                return None
            return events_of(message["data"])

    def _subscribe(self, channels: str, seconds: float) -> None:
        self._subscription.psubscribe(channels)
        answer = self._subscription.get_message(timeout=seconds)
        if answer is None:
            raise TimeoutError("the subscription is not answered")
        if answer["type"] != "psubscribe":
            raise ValueError(f"the subscription is answered with {answer['type']!r}")

    def close(self) -> None:
        """End the connection."""
        self._subscription.close()


def _guarded(url: str, allowance: Allowance) -> type[Any]:
    """Return the class of connections to an address that receive within an allowance."""

    class Guarded(_KINDS[url.partition(":")[0]]):  # type: ignore[misc]
        def _connect(self) -> GuardedSocket:
            return GuardedSocket(super()._connect(), allowance)

    return Guarded


@contextmanager
def _deaf() -> Iterator[None]:
    """Tell why nothing is heard.

    Raises:
        DeafError: something was raised that a server can be the cause of.
    """
    try:
        yield
    except (RedisError, OSError, SpecterError) as error:
        cause = error.__cause__ or error.__context__
        over = next((each for each in (error, cause) if isinstance(each, OverdrawnError)), None)
        problem = connection_problem(error) if over is None else Problem(over.reason, str(over))
        raise DeafError(problem) from error
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        # The client's parser, of what is no answer of Redis.
        raise DeafError(Problem("other", f"cannot be understood: {error!r}")) from error


def events_of(data: object) -> Sequence[Mapping[str, Any]]:
    """Return the events of a message of kombu's, whose body is wrapped; none of what is no such message."""
    try:
        message = json.loads(data)  # type: ignore[arg-type]  # anything that is no text is refused there
        body = message["body"]
        if message.get("properties", {}).get("body_encoding") == "base64":
            body = base64.b64decode(body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    return events_in(body)
