"""What Celery's workers tell of themselves: heartbeats, and what became of tasks.

Workers publish events on channels `/DB.celeryev/…` (PUB/SUB, so nothing is kept for who does not listen): a
heartbeat every two seconds, and with `-E` (`worker_send_task_events`) one for each step of a task. Nothing is
asked of them: `inspect` broadcasts to every worker and waits a second for who may not live.
"""

import base64
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.client import PubSub
from redis.exceptions import RedisError

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_exporters.queues.model import Counter, Problem, State, Worker
from specter_exporters.queues.on_redis.model import RedisServer
from specter_exporters.queues.on_redis.session import connection_problem

logger = logging.getLogger(__name__)
SYSTEM = "celery"
UNKNOWN = "unknown"
"""The queue of tasks whose queue nobody told: publishers do with `task_send_sent_event`."""
SETTLED_AFTER = 10.0
"""Seconds of listening after which a worker that lives has been heard, by far."""
SILENT_BEATS = 3.0
"""Heartbeats that a worker may leave out before it counts as lost."""
LEAST_SILENCE = 2.0
FORGET_AFTER = 3600.0
"""Seconds for which a lost worker is told."""
MOST_WORKERS = 2000
MOST_TASKS = 20_000
MOST_QUEUES = 3000
LONGEST_UUID = 100
"""Characters of a task's identifier that are kept; Celery's own have 36."""
MOST_NAMES = 100
"""Names of tasks that have a count of their own."""
OTHER = "other"
COUNTED: dict[str, Counter] = {
    "task-succeeded": "completed",
    "task-failed": "failed",
    "task-retried": "retried",
}
POLL, RECONNECT_AFTER = 0.2, 1.0


@dataclass(slots=True)
class _Heard:
    """A worker's newest event: when it came (unix and monotonic seconds), and what it said."""

    at: float
    monotonic: float
    every: float
    active: int


class CeleryEvents:
    """Events as they come, added up.

    Args:
        clock: the time; events' own timestamps are those of other machines.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._workers: dict[str, _Heard] = {}
        self._queues: OrderedDict[str, str] = OrderedDict()
        self._counts: dict[tuple[str, Counter], float] = {}
        self._since: float | None = None
        self._names: OrderedDict[str, str] = OrderedDict()
        self._failures: dict[str, float] = {}
        self._tasks_told = False
        self._rest: str | None = None
        self._problem: Problem | None = None
        self.epoch = f"{clock.time():.3f}"

    def listening(self) -> None:
        """Take it that from now on every event is heard."""
        with self._lock:
            self._since, self._problem = self._clock.monotonic(), None

    def deaf(self, problem: Problem) -> None:
        """Take it that nothing is heard for now: nobody is lost for it."""
        with self._lock:
            self._since, self._problem = None, problem

    def problem(self) -> Problem | None:
        """Return why nothing is heard; None while all is well."""
        with self._lock:
            return self._problem

    def take(self, event: Mapping[str, Any]) -> None:
        """Add an event; what is none is left out."""
        kind, host = event.get("type"), event.get("hostname")
        if not isinstance(kind, str) or not isinstance(host, str):
            return
        with self._lock:
            if kind.startswith("worker-"):
                self._worker(kind, host[:200], event)
            elif kind.startswith("task-"):
                self._task(kind, str(event.get("uuid"))[:LONGEST_UUID], event)

    def workers(self) -> Sequence[Worker] | None:
        """Return the workers, lost ones first; None while it is not known who there is."""
        with self._lock:
            now = self._clock.monotonic()
            if self._since is None or (now - self._since < SETTLED_AFTER and not self._workers):
                return None
            self._workers = {
                host: heard for host, heard in self._workers.items() if now - heard.monotonic < FORGET_AFTER
            }
            found = [
                Worker(SYSTEM, host, self._state(heard, now, self._since), heard.at)
                for host, heard in sorted(self._workers.items())
            ]
        return sorted(found, key=lambda worker: worker.state != "lost")

    def counts(self, queues: Sequence[str]) -> dict[str, dict[Counter, float]]:
        """Return what became of tasks since the start, by queue; nothing until workers tell it.

        A task whose queue nobody told is of the only queue, where there is one only when it is told.
        """
        with self._lock:
            rest = queues[0] if len(queues) == 1 else UNKNOWN
            if self._rest is None:
                # Tasks before the queues were known.
                before, self._counts = self._counts, {}
                for (queue, counter), count in before.items():
                    self._add(rest if queue == UNKNOWN else queue, counter, count)
            self._rest = rest
            if not self._tasks_told:
                return {}
            found: dict[str, dict[Counter, float]] = {
                name: dict.fromkeys(COUNTED.values(), 0.0) for name in queues
            }
            for (queue, counter), count in self._counts.items():
                # What is told of a queue that is gone, or left out, is told of no other one.
                if queue in found or queue == UNKNOWN:
                    found.setdefault(queue, dict.fromkeys(COUNTED.values(), 0.0))[counter] += count
        return found

    def failures(self) -> dict[str, float]:
        """Return how many tasks failed for good since the start, by name; `unknown` where nobody told it."""
        with self._lock:
            return dict(self._failures)

    def _worker(self, kind: str, host: str, event: Mapping[str, Any]) -> None:
        if kind == "worker-offline":
            self._workers.pop(host, None)
            return
        if host not in self._workers and len(self._workers) >= MOST_WORKERS:
            return
        every, active = event.get("freq"), event.get("active")
        self._workers[host] = _Heard(
            self._clock.time(),
            self._clock.monotonic(),
            float(every) if isinstance(every, int | float) and 0 < every < 3600 else 2.0,
            active if isinstance(active, int) else 0,
        )

    @staticmethod
    def _state(heard: _Heard, now: float, since: float) -> State:
        silent = now - max(heard.monotonic, since)
        if silent > max(LEAST_SILENCE, SILENT_BEATS * heard.every):
            return "lost"
        return "busy" if heard.active else "idle"

    def _task(self, kind: str, uuid: str, event: Mapping[str, Any]) -> None:
        # Publishers tell of what they send, workers of what they receive, and only there is the name.
        _remember(self._names, uuid, event.get("name"))
        _remember(self._queues, uuid, event.get("queue"))
        if kind == "task-sent":
            return
        self._tasks_told = True
        counter = COUNTED.get(kind)
        if counter == "failed":
            name = self._names.get(uuid, UNKNOWN)
            known = name in self._failures or len(self._failures) < MOST_NAMES
            name = name if known else OTHER
            self._failures[name] = self._failures.get(name, 0.0) + 1
        if counter is not None:
            self._add(self._queues.get(uuid, self._rest or UNKNOWN), counter, 1.0)

    def _add(self, queue: str, counter: Counter, more: float) -> None:
        place = (queue, counter)
        if place not in self._counts and len(self._counts) >= MOST_QUEUES:
            place = (UNKNOWN, counter)
        self._counts[place] = self._counts.get(place, 0.0) + more


def _remember(table: OrderedDict[str, str], uuid: str, value: object) -> None:
    if isinstance(value, str):
        table[uuid] = value[:200]
        while len(table) > MOST_TASKS:
            table.popitem(last=False)


class CeleryListener:
    """A thread that listens to a server's events, and connects again when it must.

    Args:
        server: where.
        subscribe: opens a subscription; it is closed by whom it is given to.
        events: what they are added to.
    """

    def __init__(self, server: RedisServer, subscribe: Callable[[], PubSub], events: CeleryEvents) -> None:
        self._server = server
        self._subscribe = subscribe
        self._events = events
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._thread = threading.Thread(target=self._run, name=f"celeryev {self._server.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it, within some tenths of a second."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(POLL + self._server.timeout)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except (RedisError, OSError, SpecterError) as error:
                self._events.deaf(connection_problem(error))
                self._stop.wait(RECONNECT_AFTER)

    def _listen(self) -> None:
        subscription = self._subscribe()
        try:
            while not self._stop.is_set():
                message = subscription.get_message(timeout=POLL)
                if message is None:
                    continue
                if message["type"] == "psubscribe":
                    self._events.listening()
                elif message["type"] == "pmessage":
                    for event in events_of(message["data"]):
                        self._events.take(event)
        finally:
            subscription.close()


def events_of(data: bytes) -> Iterable[Mapping[str, Any]]:
    """Return the events of a message of kombu's: one, or a list of them; none of what is no such message."""
    try:
        message = json.loads(data)
        body = message["body"]
        if message.get("properties", {}).get("body_encoding") == "base64":
            body = base64.b64decode(body)
        found = json.loads(body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []
    listed = found if isinstance(found, list) else [found]
    return [event for event in listed if isinstance(event, dict)]
