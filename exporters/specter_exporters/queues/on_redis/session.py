"""A connection to a Redis server that answers many commands at once, in time or not at all."""

import ssl
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from redis import exceptions
from redis.backoff import NoBackoff
from redis.connection import ConnectionPool
from redis.retry import Retry

from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_exporters.queues.model import Problem
from specter_exporters.queues.on_redis.model import RedisServer

if TYPE_CHECKING:
    from redis.connection import ConnectionInterface

Command = tuple[str | bytes | int | float, ...]
Reply = Any
_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (exceptions.BusyLoadingError, "starting"),
    (exceptions.NoPermissionError, "privilege"),
    ((exceptions.AuthenticationError, exceptions.AuthenticationWrongNumberOfArgsError), "auth"),
    ((exceptions.TimeoutError, TimeoutError), "timeout"),
    (ssl.SSLError, "tls"),
)


class Session:
    """A connection that is opened when it is needed, and again after it broke.

    Args:
        server: what to connect to.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._connection: ConnectionInterface | None = None

    def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """Return the reply to each command, all sent at once; a `redis.ResponseError` for a refused one.

        Raises:
            redis.RedisError, OSError: the server does not answer.
            SpecterError: the password cannot be read.
        """
        if not commands:
            return []
        try:
            connection = self._open()
            connection.send_packed_command([_packed(tuple(commands))])
            return [_reply(connection) for _ in commands]
        except (AttributeError, TypeError, ValueError) as error:
            # The client's parser, when its connection goes under it or what comes is no answer of Redis.
            self.close()
            raise exceptions.ConnectionError("the connection was cut, or the answer is none") from error

    def one(self, *command: str | bytes | float) -> Reply:
        """Return the reply to one command.

        Raises:
            redis.RedisError, OSError: the server does not answer, or refuses it.
            SpecterError: the password cannot be read.
        """
        [reply] = self.ask([command])
        if isinstance(reply, exceptions.ResponseError):
            raise reply
        return reply

    def close(self) -> None:
        """Close the connection, also under an `ask` of another thread, which then fails."""
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.disconnect()

    def _open(self) -> "ConnectionInterface":
        if self._connection is None:
            # Known before it is made, so that `close` ends a greeting that has no end too.
            connection = self._connection = pool(self._server).make_connection()
            try:
                connection.connect()
            except BaseException:
                self._connection = None
                connection.disconnect()
                raise
            return connection
        return self._connection


def pool(server: RedisServer, *, health_check: int = 0, **more: Any) -> ConnectionPool:
    """Return what makes connections to the server, each of which waits for it no longer than its `timeout`.

    Args:
        server: what to connect to.
        health_check: seconds after which a silent subscription asks the server whether it lives; 0 for never.
        more: further options of the client's.

    Raises:
        SpecterError: the password cannot be read.
    """
    options = {**more, **({} if server.ca_file is None else {"ssl_ca_certs": str(server.ca_file)})}
    if server.password_file is not None:
        options["password"] = read_secret_file(server.password_file, what="password_file")
    return ConnectionPool.from_url(
        server.url,
        socket_timeout=server.timeout,
        socket_connect_timeout=server.timeout,
        health_check_interval=health_check,
        retry=Retry(NoBackoff(), 0),
        # Maps as flat lists, as all versions of redis-py and Redis know them.
        protocol=2,
        **options,
    )


def _reply(connection: "ConnectionInterface") -> Reply:
    try:
        return connection.read_response(disable_decoding=True)
    except exceptions.ResponseError as error:
        return error


@lru_cache(maxsize=16)
def _packed(commands: tuple[Command, ...]) -> bytes:
    """Return the commands in the server's protocol; the same are asked at each scrape."""
    return b"".join(_pack(command) for command in commands)


def _pack(command: Iterable[str | bytes | float]) -> bytes:
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def connection_problem(error: Exception) -> Problem:
    """Return why the server could not be asked, with one of `metrics.QUEUE_FAILURE_REASONS`."""
    line = " ".join(str(error).split())
    if isinstance(error, SpecterError):  # the file of the password
        return Problem("auth", line)
    cause = error.__cause__ or error.__context__
    for kind, reason in _REASONS:
        if isinstance(error, kind) or isinstance(cause, kind):
            return Problem(reason, line)
    refused = isinstance(error, exceptions.ConnectionError | OSError)
    return Problem("refused" if refused else "other", line)


def refusal(error: exceptions.ResponseError) -> Problem:
    """Return why a command was refused: privilege, wrong_type or other."""
    line = " ".join(str(error).split())
    if isinstance(error, exceptions.MovedError):
        return Problem("other", f"a key is on another node of a Redis Cluster: slot {line}")
    if isinstance(error, exceptions.NoPermissionError):
        return Problem("privilege", line)
    return Problem("wrong_type" if line.startswith("WRONGTYPE") else "other", line)


class Known:
    """Takes replies apart, and remembers the first refusal among them."""

    def __init__(self) -> None:
        self.problem: Problem | None = None

    def value(self, reply: Reply, of: str = "") -> Any:
        """Return a reply as it is; None, which is unknown, of a refusal, said with the key `of`."""
        if isinstance(reply, exceptions.ResponseError):
            problem = refusal(reply)
            named = replace(problem, message=f"key {of}: {problem.message}") if of else problem
            self.problem = self.problem or named
            return None
        return reply
