"""Who may send events: named tokens, and how much each may send."""

import hmac
import math
import re
import threading
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes

from specter_core.clock import Clock
from specter_core.config import read_secret_file
from specter_core.errors import UsageError

MIN_TOKEN = 16
MAX_TOKEN = 512
MAX_SENDERS = 50
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class Senders:
    """Finds the sender of a token in a time that does not tell how close a wrong one was.

    Args:
        tokens: by sender's name; the name becomes a label.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        # Of equal length, and of no use to who reads our memory.
        self._key = token_bytes(32)
        self._digests = {name: self._digest(token) for name, token in tokens.items()}
        self.names = tuple(tokens)

    def _digest(self, token: str) -> bytes:
        return blake2b(token.encode("utf-8", "surrogatepass"), key=self._key).digest()

    def find(self, authorization: str) -> str | None:
        """Return the name of the sender of an `Authorization` header; None when it has no token of ours."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or len(token) > 2 * MAX_TOKEN:
            return None
        digest = self._digest(token.strip())
        found = None
        for name, known in self._digests.items():
            if hmac.compare_digest(known, digest):
                found = name
        return found


def read_tokens(arguments: tuple[str, ...]) -> dict[str, str]:
    """Return the tokens of `NAME=FILE` arguments by name.

    Raises:
        UsageError: an argument is not of that form, or a name or a token appears twice.
        SpecterError: a file cannot be read.
    """
    tokens: dict[str, str] = {}
    for argument in arguments:
        name, equals, file = argument.partition("=")
        if not (equals and file and NAME.fullmatch(name)):
            raise UsageError(
                f"--business.token-file {argument!r}: expected NAME=FILE, a lower-case name and the file "
                "that holds the token, for example shop=/etc/specter/shop.token"
            )
        if name in tokens:
            raise UsageError(f"--business.token-file: there are two tokens of {name}")
        token = read_secret_file(Path(file), what=f"token of {name}")
        if not MIN_TOKEN <= len(token) <= MAX_TOKEN or " " in token or not token.isascii():
            raise UsageError(
                f"token of {name}: {file} must hold {MIN_TOKEN} to {MAX_TOKEN} ASCII characters without a "
                f"space; make one: openssl rand -hex 32 > {file}"
            )
        if token in tokens.values():
            raise UsageError(f"token of {name}: another sender has the same")
        tokens[name] = token
    if len(tokens) > MAX_SENDERS:
        raise UsageError(f"--business.token-file: {len(tokens)} tokens, at most {MAX_SENDERS} are possible")
    return tokens


class TokenBucket:
    """Lets events through at a steady rate, and a burst of them at once.

    A request is let in while something is left, and pays afterwards, when it is
    known how many events it brought: the level may go below zero by one request.

    Args:
        rate: events a second.
        burst: events at once, after a quiet time.
        clock: of which the monotonic time is used.
    """

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._level = burst
        self._at = clock.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> int:
        """Return 0 if a request is let in, else after how many whole seconds one will be."""
        with self._lock:
            now = self._clock.monotonic()
            self._level = min(self._burst, self._level + (now - self._at) * self._rate)
            self._at = now
            if self._level > 0:
                return 0
            return max(1, math.ceil(-self._level / self._rate))

    def pay(self, events: int) -> None:
        """Take away what a request brought; an empty one costs as much as one event."""
        with self._lock:
            self._level -= max(1, events)
