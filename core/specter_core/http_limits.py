"""What the clients of a web server may take of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a client may take, and how much all clients together may hold.

    Args:
        request_seconds: for a whole request: headers and body, of a new connection the TLS handshake as well.
        idle_seconds: between two requests of a connection.
        answer_seconds: for a client to read an answer.
        busy: connections that send, are served or read. For one more, the source that has most of them loses
            the one that waits longest; a source is an IPv4 address or an IPv6 /64.
        idle: connections that are kept open between requests.
        held_bytes: of requests that are not answered and of answers that are not read, all together. Beyond,
            the connection that holds most of them is closed.
    """

    request_seconds: float = 30.0
    idle_seconds: float = 10.0
    answer_seconds: float = 30.0
    busy: int = 200
    idle: int = 10
    held_bytes: int = 32 * 1024 * 1024
