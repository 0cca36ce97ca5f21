"""RQ's queues: lists of job identifiers, registries as sorted sets, and a hash a worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from specter_core.clock import Clock
from specter_exporters.queues.messages import iso_time
from specter_exporters.queues.model import Answer, Counter, Queue, State, Worker
from specter_exporters.queues.on_redis.model import RedisServer
from specter_exporters.queues.on_redis.registries import Growth
from specter_exporters.queues.on_redis.session import Command, Known, Session

SYSTEM = "rq"
QUEUES, WORKERS = "rq:queues", "rq:workers"
QUEUE, WORKER, CHANNEL = "rq:queue:", "rq:worker:", "rq:pubsub:"
SILENT = {"busy": 90.0, "idle": 480.0}
"""Seconds after which a worker that is not heard of is lost: while it works it beats every 30 s, else when
its wait for a job ends, after 405 s."""
UNSUBSCRIBED = 5.0
"""Seconds after a heartbeat from when on a worker must be listening for commands, as RQ's do."""
_STATES: dict[str, State] = {"busy": "busy", "idle": "idle", "started": "idle", "suspended": "suspended"}


@dataclass(slots=True)
class _Counts:
    """A queue's figures, in the order in which they are asked for."""

    ready: float | None
    taken: float | None
    scheduled: float | None
    deferred: float | None
    failed: float | None
    first: bytes | None
    running: Sequence[bytes] | None


class RqCollector:
    """Asks for queues and workers.

    Args:
        server: where.
        clock: the time.
    """

    name = SYSTEM

    def __init__(self, server: RedisServer, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._growth = Growth()

    def collect(self, session: Session) -> Answer:
        """Return the queues and workers.

        Raises:
            redis.RedisError, OSError: the server does not answer, or refuses what all else needs.
        """
        known = Known()
        names = sorted(
            key.decode("utf-8", "replace").removeprefix(QUEUE) for key in session.one("SMEMBERS", QUEUES)
        )
        shown = names[: self._server.max_queues]
        counts = self._counts(session, shown, known)
        times = self._times(session, counts, known)
        grown = self._growth.since(
            session, [f"rq:{kind}:{name}" for name in shown for kind in ("finished", "failed")], known
        )
        queues = [_queue(name, counts[name], times.get(name, (None, None)), grown) for name in shown]
        workers, absent = self._workers(session, known, expected=bool(names))
        return Answer(
            queues,
            workers,
            systems=() if workers is None else (SYSTEM,),
            dropped=len(names) - len(shown) + absent,
            problem=known.problem,
        )

    def _counts(self, session: Session, names: Sequence[str], known: Known) -> dict[str, _Counts]:
        commands: list[Command] = []
        for name in names:
            commands += [
                ("LLEN", f"{QUEUE}{name}"),
                ("ZCARD", f"rq:wip:{name}"),
                ("ZCARD", f"rq:scheduled:{name}"),
                ("ZCARD", f"rq:deferred:{name}"),
                ("ZCARD", f"rq:failed:{name}"),
                ("LINDEX", f"{QUEUE}{name}", 0),
                ("ZRANGE", f"rq:wip:{name}", 0, 0),
            ]
        replies = [known.value(reply) for reply in session.ask(commands)]
        return {name: _Counts(*replies[7 * index : 7 * index + 7]) for index, name in enumerate(names)}

    def _times(
        self, session: Session, counts: Mapping[str, _Counts], known: Known
    ) -> dict[str, tuple[float | None, float | None]]:
        """Return, by queue, when the next job was put in and when the one that times out first was begun."""
        asked: list[tuple[str, int, Command]] = []
        for name, found in counts.items():
            if found.first:
                asked.append((name, 0, ("HGET", b"rq:job:" + found.first, "enqueued_at")))
            if found.running:
                # With RQ 2 and later the execution follows the job.
                job = found.running[0].partition(b":")[0]
                asked.append((name, 1, ("HGET", b"rq:job:" + job, "started_at")))
        times: dict[str, list[float | None]] = {}
        replies = session.ask([command for _, _, command in asked])
        for (name, place, _), reply in zip(asked, replies, strict=True):
            times.setdefault(name, [None, None])[place] = _time(known.value(reply))
        return {name: (both[0], both[1]) for name, both in times.items()}

    def _workers(self, session: Session, known: Known, *, expected: bool) -> tuple[list[Worker] | None, int]:
        """Return the workers, and how many were too many; None where nobody works with RQ here."""
        members = known.value(session.ask([("SMEMBERS", WORKERS)])[0])
        if members is None or not (expected or members):
            return None, 0
        names = sorted(key.decode("utf-8", "replace").removeprefix(WORKER) for key in members)
        shown = names[: self._server.max_workers]
        fields = [
            ("HMGET", f"{WORKER}{name}", "last_heartbeat", "state", "death", "version") for name in shown
        ]
        replies = session.ask([*fields, ("PUBSUB", "NUMSUB", *(f"{CHANNEL}{name}" for name in shown))])
        listening = known.value(replies.pop()) or []
        ears = dict(zip(listening[::2], listening[1::2], strict=True))
        now = self._clock.time()
        found = [
            _worker(name, known.value(reply), ears.get(f"{CHANNEL}{name}".encode()), now)
            for name, reply in zip(shown, replies, strict=True)
        ]
        return [worker for worker in found if worker is not None], len(names) - len(shown)


def _queue(
    name: str, counts: _Counts, times: tuple[float | None, float | None], grown: Mapping[str, float]
) -> Queue:
    later = (counts.scheduled, counts.deferred)
    more: dict[Counter, float] = {}
    pairs: tuple[tuple[Counter, str], ...] = (("completed", "finished"), ("failed", "failed"))
    for counter, kind in pairs:
        if f"rq:{kind}:{name}" in grown:
            more[counter] = grown[f"rq:{kind}:{name}"]
    return Queue(
        SYSTEM,
        name,
        ready=counts.ready,
        in_progress=counts.taken,
        scheduled=None if None in later else sum(each or 0 for each in later),
        dead_letters=counts.failed,
        oldest=times[0],
        oldest_taken=times[1],
        more=more,
        whole=None not in {counts.taken, *later},
    )


def _worker(name: str, fields: Sequence[bytes | None] | None, ears: int | None, now: float) -> Worker | None:
    """Return a worker; None of one that said that it ends, or whose fields cannot be read."""
    if fields is None:
        return None
    beat, state, death, version = fields
    if death is not None:
        return None
    heartbeat = _time(beat)
    if heartbeat is None:
        # Its hash is gone with its time to live; RQ takes it off the list when another worker cleans up.
        return Worker(SYSTEM, name, "lost")
    told = _STATES.get((state or b"").decode("utf-8", "replace"), "idle")
    silent = now - heartbeat
    deaf = ears == 0 and _listens(version) and silent > UNSUBSCRIBED
    lost = deaf or silent > SILENT.get(told, SILENT["idle"])
    return Worker(SYSTEM, name, "lost" if lost else told, heartbeat)


def _listens(version: bytes | None) -> bool:
    """Return whether a worker of this version listens for commands, so that a silent channel is its end."""
    major = (version or b"").partition(b".")[0]
    return major.isdigit() and int(major) >= 2


def _time(value: Any) -> float | None:
    return iso_time(value.decode("utf-8", "replace")) if isinstance(value, bytes) else None
