"""BullMQ's queues, as versions 5 and 6 lay them out: `bull:QUEUE:` and wait, paused, active, delayed, ….

Jobs are pushed to `wait` from the left and taken from the right into `active`; those with a priority are in
`prioritized`. A paused queue of version 5 has its jobs in `paused`.
"""

import base64
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from specter_exporters.queues.messages import unix_seconds
from specter_exporters.queues.model import Answer, Counter, Queue
from specter_exporters.queues.on_redis.discovery import Finder
from specter_exporters.queues.on_redis.model import RedisServer
from specter_exporters.queues.on_redis.registries import Growth
from specter_exporters.queues.on_redis.session import Command, Known, Session

SYSTEM = "bullmq"
META = ":meta"


@dataclass(slots=True)
class _Counts:
    """A queue's figures, in the order in which they are asked for."""

    waiting: float | None
    paused: float | None
    prioritized: float | None
    active: float | None
    delayed: float | None
    failed: float | None
    added: bytes | None
    completed: bytes | None
    gave_up: bytes | None
    next_waiting: bytes | None
    next_paused: bytes | None
    next_prioritized: Sequence[bytes] | None
    first_active: bytes | None


FIGURES = len(_Counts.__dataclass_fields__)


class BullmqCollector:
    """Asks for queues.

    Args:
        server: where.
        finder: finds the queues' `meta` keys.
    """

    name = SYSTEM

    def __init__(self, server: RedisServer, finder: Finder) -> None:
        self._server = server
        self._finder = finder
        self._growth = Growth()
        self._prefix = f"{server.bullmq_prefix}:"

    def collect(self, session: Session) -> Answer:
        """Return the queues.

        Raises:
            redis.RedisError, OSError: the server does not answer, or refuses what all else needs.
        """
        known = Known()
        start = len(self._prefix)
        names = [key[start : -len(META)] for key in self._finder.keys(session)]
        shown = names[: self._server.max_queues]
        if not shown:
            return Answer()
        counts = self._counts(session, shown, known)
        times = self._times(session, counts, known)
        grown = self._growth.since(
            session,
            [self._key(name, kind) for name in shown for kind in ("completed", "failed")],
            known,
        )
        consumers = self._consumers(session, known)
        queues = [self._queue(name, counts[name], times.get(name, {}), grown, consumers) for name in shown]
        return Answer(queues, dropped=len(names) - len(shown), problem=known.problem)

    def _key(self, name: str, kind: str) -> str:
        return f"{self._prefix}{name}:{kind}"

    def _counts(self, session: Session, names: Sequence[str], known: Known) -> dict[str, _Counts]:
        commands: list[Command] = []
        for name in names:
            key = f"{self._prefix}{name}:"
            commands += [
                ("LLEN", f"{key}wait"),
                ("LLEN", f"{key}paused"),
                ("ZCARD", f"{key}prioritized"),
                ("LLEN", f"{key}active"),
                ("ZCARD", f"{key}delayed"),
                ("ZCARD", f"{key}failed"),
                ("GET", f"{key}id"),
                ("HGET", f"{key}metrics:completed", "count"),
                ("HGET", f"{key}metrics:failed", "count"),
                ("LINDEX", f"{key}wait", -1),
                ("LINDEX", f"{key}paused", -1),
                ("ZRANGE", f"{key}prioritized", 0, 0),
                ("LINDEX", f"{key}active", -1),
            ]
        replies = [known.value(reply) for reply in session.ask(commands)]
        return {
            name: _Counts(*replies[FIGURES * index : FIGURES * (index + 1)])
            for index, name in enumerate(names)
        }

    def _times(
        self, session: Session, counts: Mapping[str, _Counts], known: Known
    ) -> dict[str, dict[str, list[float]]]:
        """Return, by queue, when the next jobs were added and when the first active one was begun."""
        asked: list[tuple[str, str, Command]] = []
        for name, found in counts.items():
            following = [found.next_waiting, found.next_paused, *(found.next_prioritized or ())]
            asked += [(name, "timestamp", self._ask(name, job, "timestamp")) for job in following if job]
            if found.first_active:
                asked.append((name, "processedOn", self._ask(name, found.first_active, "processedOn")))
        times: dict[str, dict[str, list[float]]] = {}
        replies = session.ask([command for _, _, command in asked])
        for (name, what, _), reply in zip(asked, replies, strict=True):
            moment = _milliseconds(known.value(reply))
            if moment is not None:
                times.setdefault(name, {}).setdefault(what, []).append(moment)
        return times

    def _ask(self, name: str, job: bytes, field: str) -> Command:
        return ("HGET", f"{self._prefix}{name}:".encode() + job, field)

    def _consumers(self, session: Session, known: Known) -> Tally[str] | None:
        """Return how many workers wait on each queue, by the names that they give their connections."""
        listed = known.value(session.ask([("CLIENT", "LIST", "TYPE", "NORMAL")])[0])
        if listed is None:
            return None
        found: Tally[str] = Tally()
        for line in listed.decode("utf-8", "replace").splitlines():
            client = line.partition(" name=")[2].partition(" ")[0]
            if client.startswith(self._prefix):
                found[client.removeprefix(self._prefix).partition(":w:")[0]] += 1
        return found

    def _queue(
        self,
        name: str,
        counts: _Counts,
        times: Mapping[str, Sequence[float]],
        grown: Mapping[str, float],
        consumers: Mapping[str, int] | None,
    ) -> Queue:
        waiting = (counts.waiting, counts.paused, counts.prioritized)
        totals: dict[Counter, float] = {}
        more: dict[Counter, float] = {}
        if counts.added is not None:
            totals["arrived"] = float(counts.added)
        pairs: tuple[tuple[Counter, bytes | None, str], ...] = (
            ("completed", counts.completed, "completed"),
            ("failed", counts.gave_up, "failed"),
        )
        for counter, count, kind in pairs:
            if count is not None:
                totals[counter] = float(count)
            elif self._key(name, kind) in grown:
                more[counter] = grown[self._key(name, kind)]
        encoded = base64.b64encode(name.encode()).decode()
        return Queue(
            SYSTEM,
            name,
            ready=None if None in waiting else sum(each or 0 for each in waiting),
            in_progress=counts.active,
            scheduled=counts.delayed,
            dead_letters=counts.failed,
            consumers=None if consumers is None else consumers.get(encoded, 0),
            oldest=min(times.get("timestamp", ()), default=None),
            oldest_taken=min(times.get("processedOn", ()), default=None),
            totals=totals,
            more=more,
            whole=None not in {counts.active, counts.delayed},
        )


def _milliseconds(text: bytes | None) -> float | None:
    try:
        return None if text is None else unix_seconds(int(text) / 1000)
    except ValueError:
        return None
