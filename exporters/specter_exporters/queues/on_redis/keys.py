"""Queues that are one key each, as the configuration names them: a list, a sorted set or a stream."""

from collections.abc import Callable, Sequence
from typing import Any

from specter_core.clock import Clock
from specter_exporters.queues.messages import document, identity, published
from specter_exporters.queues.model import Answer, Queue
from specter_exporters.queues.on_redis.model import Key, Kind
from specter_exporters.queues.on_redis.session import Command, Known, Session
from specter_exporters.queues.on_redis.streams import Streams

_LENGTH: dict[Kind, str] = {"list": "LLEN", "sorted_set": "ZCARD", "stream": "XLEN"}
Facts = dict[str, Any]


class KeysCollector:
    """Asks for configured keys, all of them at once.

    Args:
        keys: the queues.
        clock: the time.
    """

    name = "keys"

    def __init__(self, keys: Sequence[Key], clock: Clock) -> None:
        self._keys = keys
        self._clock = clock

    def collect(self, session: Session) -> Answer:
        """Return the queues.

        Raises:
            redis.RedisError, OSError: the server does not answer.
        """
        known = Known()
        now = self._clock.time()
        dead = self._dead_letters(session, known)
        queues: list[Queue] = []
        for kind, read in _READ.items():
            keys = [key for key in self._keys if key.kind == kind]
            queues += read(session, keys, dead, now, known)
        return Answer(queues, problem=known.problem)

    def _dead_letters(self, session: Session, known: Known) -> dict[Key, float | None]:
        keys = [key for key in self._keys if key.dead_letters]
        replies = session.ask([(_LENGTH[key.dead_letter_kind], key.dead_letters) for key in keys])
        return {key: known.value(reply, key.dead_letters) for key, reply in zip(keys, replies, strict=True)}


def _lists(
    session: Session, keys: Sequence[Key], dead: dict[Key, float | None], now: float, known: Known
) -> list[Queue]:
    replies = session.ask(
        [
            command
            for key in keys
            for command in (
                ("LLEN", key.key),
                ("LRANGE", key.key, *((-2, -1) if key.head == "right" else (0, 1))),
            )
        ]
    )
    queues = []
    for key, length, ends in zip(keys, replies[::2], replies[1::2], strict=True):
        ready = known.value(length, key.key)
        nearest = known.value(ends, key.key) or []
        oldest, head = _next(nearest[::-1] if key.head == "right" else nearest)
        queues.append(
            Queue(
                "list",
                key.name,
                ready=ready,
                dead_letters=dead.get(key),
                oldest=None if oldest is None else min(oldest, now),
                head=head,
            )
        )
    return queues


def _next(nearest: Sequence[bytes]) -> tuple[float | None, int | None]:
    """Return when the next message was published; if it does not say so, what tells it from others."""
    if not nearest:
        return None, None
    stamp = published(document(nearest[0]))
    # Of two that are equal, nobody can tell when one goes and the other is next.
    alike = len(nearest) > 1 and nearest[0] == nearest[1]
    return stamp, None if stamp is not None or alike else identity(nearest[0])


def _sorted_sets(
    session: Session, keys: Sequence[Key], dead: dict[Key, float | None], now: float, known: Known
) -> list[Queue]:
    commands: list[Command] = []
    for key in keys:
        scale = 1000 if key.score.endswith("_ms") else 1
        until = f"{now * scale:.3f}" if key.score.startswith("due") else "+inf"
        commands += [
            ("ZCOUNT", key.key, "-inf", until),
            ("ZCARD", key.key),
            ("ZRANGE", key.key, 0, 0, "WITHSCORES"),
        ]
    replies = session.ask(commands)
    queues = []
    for index, key in enumerate(keys):
        ready, total, first = (known.value(reply, key.key) for reply in replies[3 * index : 3 * index + 3])
        due = key.score.startswith("due")
        queues.append(
            Queue(
                "sorted_set",
                key.name,
                ready=ready,
                scheduled=total - ready if due and None not in {total, ready} else None,
                whole=total is not None,
                dead_letters=dead.get(key),
                oldest=_moment(key, first, now),
                head=identity(first[0]) if first and key.score == "priority" else None,
            )
        )
    return queues


def _moment(key: Key, first: Sequence[bytes] | None, now: float) -> float | None:
    """Return since when the first of a sorted set has been waiting: published, or due."""
    if not first or key.score == "priority":
        return None
    moment = float(first[1]) / (1000 if key.score.endswith("_ms") else 1)
    return moment if moment <= now else None


def _streams(
    session: Session, keys: Sequence[Key], dead: dict[Key, float | None], now: float, known: Known
) -> list[Queue]:
    return Streams(session, known, now).read(keys, dead)


_READ: dict[Kind, Callable[..., list[Queue]]] = {
    "list": _lists,
    "sorted_set": _sorted_sets,
    "stream": _streams,
}
