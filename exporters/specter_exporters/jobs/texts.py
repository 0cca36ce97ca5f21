"""Answers in plain words, as healthchecks.io and the Pushgateway give them."""

import math
from dataclasses import dataclass

from specter_exporters.answers import Answer

TEXT = "text/plain; charset=utf-8"


def text(status: int, said: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer."""
    return Answer(status, said.encode(), TEXT, headers)


@dataclass
class RefusedError(Exception):
    """Ends a request that is not taken.

    Attributes:
        reason: what it is counted under.
        status: of the answer.
        said: in the answer.
        retry_after: seconds after which it may come again; 0: nobody knows.
    """

    reason: str
    status: int
    said: str
    retry_after: float = 0.0

    def answer(self) -> Answer:
        """Return the answer that tells it."""
        later = [("Retry-After", str(math.ceil(self.retry_after)))] if self.retry_after else []
        return text(self.status, self.said, *later)


def limited(seconds: float) -> None:
    """Let a request go on that has to wait no seconds.

    Raises:
        RefusedError: it comes too soon.
    """
    if seconds > 0:
        raise RefusedError("rate_limited", 429, "rate limit exceeded", seconds)
