"""Celery's queues in Redis, as kombu lays them out: a list a priority, what was taken in a hash.

A queue `mail` is the lists `mail`, `mail␆␖3`, `mail␆␖6`, `mail␆␖9`, pushed to from the left. What a worker
took and has not acknowledged is in the hash `unacked`, by delivery tag, and when it took it in the sorted set
`unacked_index`. Which queues there are stands in sets `_kombu.binding.EXCHANGE`.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from specter_core.clock import Clock
from specter_exporters.queues.celery_events import CeleryEvents
from specter_exporters.queues.messages import document, identity, iso_time, published
from specter_exporters.queues.model import Answer, Counter, Queue
from specter_exporters.queues.on_redis.discovery import Finder
from specter_exporters.queues.on_redis.model import RedisServer
from specter_exporters.queues.on_redis.session import Known, Session

SYSTEM = "celery"
BINDING = "_kombu.binding."
INTERNAL = ("celeryev", "celery.pidbox", "reply.celery.pidbox")
"""Exchanges of Celery's own."""
MOST_TAKEN = 1000
"""Messages in progress that a scrape looks at for the first time; their bodies are read for it."""
REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class _Taken:
    """A message that a worker has: whose it is, and when it is due."""

    queue: str
    due: float | None


@dataclass(slots=True)
class _Unacknowledged:
    """What is in progress of a queue."""

    running: int = 0
    later: int = 0
    oldest: float | None = None


@dataclass(slots=True)
class _Waiting:
    """What is ready in a queue's lists."""

    ready: int = 0
    lists: list[str] = field(default_factory=list)


class CeleryCollector:
    """Asks for queues and, of the events, for workers and what became of tasks.

    Args:
        server: where.
        finder: finds the sets of bindings.
        events: what workers tell.
        clock: the time.
    """

    name = SYSTEM

    def __init__(self, server: RedisServer, finder: Finder, events: CeleryEvents, clock: Clock) -> None:
        self._server = server
        self._finder = finder
        self._events = events
        self._clock = clock
        self._taken: OrderedDict[bytes, _Taken] = OrderedDict()
        self._prefix = server.celery_prefix

    def collect(self, session: Session) -> Answer:
        """Return the queues and workers.

        Raises:
            redis.RedisError, OSError: the server does not answer, or refuses what all else needs.
        """
        known = Known()
        bindings = self._bindings(session, known)
        names = sorted({queue for table in bindings.values() for queue in table.values()})
        shown = names[: self._server.max_queues]
        waiting = self._waiting(session, shown, known)
        heads = self._heads(session, waiting, known)
        taken = self._unacknowledged(session, bindings, known)
        done = self._events.counts(shown)
        now = self._clock.time()
        queues = [
            self._queue(name, waiting.get(name), heads, taken, done.pop(name, {}), now) for name in shown
        ]
        queues += [
            Queue(SYSTEM, name, totals=rest, epochs=self._events.epochs) for name, rest in done.items()
        ]
        # Without queues nobody is expected; with them, a silent event stream is nobody at work.
        workers = self._events.workers() if shown else None
        most = self._server.max_workers
        return Answer(
            queues,
            workers,
            named=most,
            systems=() if workers is None else (SYSTEM,),
            by_word=True,
            dropped=len(names) - len(shown) + max(0, len(workers or ()) - most),
            failures=self._events.failures(),
            epoch=self._events.epoch,
            problem=known.problem or self._events.problem(),
        )

    def _bindings(self, session: Session, known: Known) -> dict[str, dict[str, str]]:
        """Return, by exchange, which routing key leads to which queue."""
        start = len(self._prefix + BINDING)
        exchanges = [(key, key[start:]) for key in self._finder.keys(session) if key[start:] not in INTERNAL]
        replies = session.ask([("SMEMBERS", key) for key, _ in exchanges])
        separator = self._server.celery_separator
        tables: dict[str, dict[str, str]] = {}
        for (_, exchange), reply in zip(exchanges, replies, strict=True):
            members = known.value(reply) or ()
            parts = (member.decode("utf-8", "replace").split(separator) for member in members)
            tables[exchange] = {part[0]: part[2] for part in parts if len(part) == 3 and part[2]}
        return tables

    def _lists(self, queue: str) -> Iterable[str]:
        for priority in self._server.celery_priorities:
            tail = f"{self._server.celery_separator}{priority}" if priority else ""
            yield f"{self._prefix}{queue}{tail}"

    def _waiting(self, session: Session, names: Sequence[str], known: Known) -> dict[str, _Waiting]:
        lists = [(name, key) for name in names for key in self._lists(name)]
        replies = session.ask([("LLEN", key) for _, key in lists])
        found: dict[str, _Waiting] = {}
        unknown = set()
        for (name, key), reply in zip(lists, replies, strict=True):
            length = known.value(reply)
            here = found.setdefault(name, _Waiting())
            if length is None:
                unknown.add(name)
            elif length:
                here.ready += length
                here.lists.append(key)
        return {name: here for name, here in found.items() if name not in unknown}

    def _heads(
        self, session: Session, waiting: Mapping[str, _Waiting], known: Known
    ) -> dict[str, list[bytes]]:
        """Return the next message of each list that has any, by queue."""
        wanted = [(name, key) for name, here in waiting.items() for key in here.lists]
        heads: dict[str, list[bytes]] = {}
        replies = session.ask([("LINDEX", key, -1) for _, key in wanted])
        for (name, _), reply in zip(wanted, replies, strict=True):
            message = known.value(reply)
            if message is not None:
                heads.setdefault(name, []).append(message)
        return heads

    def _unacknowledged(
        self, session: Session, bindings: Mapping[str, Mapping[str, str]], known: Known
    ) -> dict[str, _Unacknowledged] | None:
        """Return what is in progress by queue; None where not all of it is known."""
        index, held = f"{self._prefix}unacked_index", f"{self._prefix}unacked"
        pairs = known.value(session.ask([("ZRANGE", index, 0, REMEMBERED, "WITHSCORES")])[0])
        if pairs is None or len(pairs) > 2 * REMEMBERED:
            return None
        since = dict(zip(pairs[::2], map(float, pairs[1::2]), strict=True))
        new = [tag for tag in since if tag not in self._taken][:MOST_TAKEN]
        if new:
            bodies = known.value(session.ask([("HMGET", held, *new)])[0]) or ()
            for tag, body in zip(new, bodies, strict=False):
                # It was acknowledged between the two questions.
                if body is None:
                    since.pop(tag)
                else:
                    self._taken[tag] = _taken(body, bindings)
        while len(self._taken) > REMEMBERED:
            self._taken.popitem(last=False)
        if any(tag not in self._taken for tag in since):
            return None
        return self._by_queue(since)

    def _by_queue(self, since: Mapping[bytes, float]) -> dict[str, _Unacknowledged]:
        now = self._clock.time()
        found: dict[str, _Unacknowledged] = {}
        for tag, moment in since.items():
            message = self._taken[tag]
            here = found.setdefault(message.queue, _Unacknowledged())
            if message.due is not None and message.due > now:
                here.later += 1
                continue
            here.running += 1
            # What was held for later is taken when it is due.
            begun = max(moment, message.due or 0.0)
            here.oldest = begun if here.oldest is None else min(here.oldest, begun)
        return found

    def _queue(
        self,
        name: str,
        waiting: _Waiting | None,
        heads: Mapping[str, Sequence[bytes]],
        taken: Mapping[str, _Unacknowledged] | None,
        done: Mapping[Counter, float],
        now: float,
    ) -> Queue:
        held = None if taken is None else taken.get(name, _Unacknowledged())
        oldest, head = _oldest(heads.get(name, ()), waiting)
        return Queue(
            SYSTEM,
            name,
            ready=None if waiting is None else waiting.ready,
            in_progress=None if held is None else held.running,
            scheduled=None if held is None else held.later,
            oldest=None if oldest is None else min(oldest, now),
            head=head,
            oldest_taken=None if held is None else held.oldest,
            totals=done,
            epochs=self._events.epochs,
            whole=held is not None,
        )


def _oldest(heads: Sequence[bytes], waiting: _Waiting | None) -> tuple[float | None, int | None]:
    """Return when the oldest of the next messages was published; if any does not say so, what tells one.

    Those of the last priority wait for the longest: their head is what is remembered.
    """
    if not heads or waiting is None or len(heads) < len(waiting.lists):
        return None, None
    times = [published(document(each).get("headers")) for each in heads]
    known = [each for each in times if each is not None]
    if len(known) == len(times):
        return min(known), None
    return None, identity(heads[-1])


def _taken(body: bytes, bindings: Mapping[str, Mapping[str, str]]) -> _Taken:
    """Return whose a message in progress is: `[message, exchange, routing key]`."""
    wrapped = document(b'{"all":%b}' % body).get("all")
    if not isinstance(wrapped, list) or len(wrapped) != 3:
        return _Taken("", None)
    message, exchange, key = wrapped
    headers = message.get("headers") if isinstance(message, dict) else None
    due = iso_time(headers.get("eta")) if isinstance(headers, dict) else None
    # The default exchange leads to the queue that the routing key names.
    queue = bindings.get(str(exchange), {}).get(str(key), str(key))
    return _Taken(queue, due)
