"""What Celery's workers tell of themselves: heartbeats, and what became of tasks.

Workers publish events, by whichever broker: a heartbeat every two seconds, and with `-E`
(`worker_send_task_events`) one for each step of a task. Nothing is asked of them: `inspect` broadcasts to
every worker and waits a second for who may not live.
"""

import json
import threading
from collections import Counter as Tally
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from specter_core.clock import Clock
from specter_exporters.queues.allowance import MOST_SILENCE
from specter_exporters.queues.celery_held import HeldTasks
from specter_exporters.queues.model import Counter, Problem, State, Worker

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
LONGEST_NAME = 200
MOST_NAMES = 100
"""Names of tasks that have a count of their own."""
OTHER = "other"
COUNTED: dict[str, Counter] = {
    "task-succeeded": "completed",
    "task-failed": "failed",
    "task-retried": "retried",
}
TOLD_FOR = 60.0
"""Seconds for which it is told that something came that is no event, or that there are too many workers."""
_NO_EVENTS = Problem("other", "what comes as events is none: expected JSON, Celery's event_serializer")
_TOO_MANY = Problem("other", f"more than {MOST_WORKERS} workers tell of themselves; the rest is left out")
_REASONS = {"refused": "connection", "starting": "connection"}
"""A server's reasons in the words of a collector."""


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
        system: value of the label `system` of the workers.
        clock: the time; events' own timestamps are those of other machines.
    """

    def __init__(self, system: str, clock: Clock) -> None:
        self._system = system
        self._clock = clock
        self._lock = threading.Lock()
        self._workers: dict[str, _Heard] = {}
        self._queues: OrderedDict[str, str] = OrderedDict()
        self._counts: dict[tuple[str, Counter], float] = {}
        self._began = clock.monotonic()
        self._since: float | None = None
        self._alive = self._began
        self._names: OrderedDict[str, str] = OrderedDict()
        self._failures: dict[str, float] = {}
        self._held = HeldTasks()
        self._tasks_told = False
        self._rest: str | None = None
        self._problem: Problem | None = None
        self._trouble: tuple[float, Problem] | None = None
        self.epoch = f"{clock.time():.3f}"
        self.epochs: Mapping[Counter, str] = dict.fromkeys(COUNTED.values(), self.epoch)

    def listening(self) -> None:
        """Take it that from now on every event is heard."""
        with self._lock:
            self._since, self._problem = self._clock.monotonic(), None
            self._alive = self._since

    def alive(self, at: float) -> None:
        """Take it that the broker sent something at `at`, monotonic seconds: who was silent until then is."""
        with self._lock:
            self._alive = max(self._alive, at)

    def deaf(self, problem: Problem) -> None:
        """Take it that nothing is heard for now: nobody is lost for it."""
        with self._lock:
            problem = Problem(_REASONS.get(problem.reason, problem.reason), problem.message)
            self._since, self._problem = None, problem
            self._held.missed()
            if problem.reason == "other":
                self._trouble = self._clock.monotonic(), problem

    def problem(self) -> Problem | None:
        """Return why nothing is heard, or not everything; None while all is well."""
        with self._lock:
            now = self._clock.monotonic()
            if self._problem is not None:
                return self._problem
            if now - (self._began if self._since is None else self._alive) > MOST_SILENCE:
                return Problem("timeout", f"nothing was heard for {MOST_SILENCE:g} s")
            return None if self._trouble is None or not self._troubled(now) else self._trouble[1]

    def message(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Add the events of a message; one without any says that the others may not be understood either."""
        if sum(self.take(event) for event in events) == 0:
            with self._lock:
                self._trouble = self._clock.monotonic(), _NO_EVENTS

    def take(self, event: Mapping[str, Any]) -> bool:
        """Add an event; return whether it is one, and else leave it out."""
        kind, host = event.get("type"), event.get("hostname")
        if not isinstance(kind, str) or not isinstance(host, str):
            return False
        with self._lock:
            self._alive = self._clock.monotonic()
            if kind.startswith("worker-"):
                self._worker(kind, _text(host), event)
            elif kind.startswith("task-"):
                uuid = str(event.get("uuid"))[:LONGEST_UUID]
                self._held.task(kind, _text(host), uuid, event.get("eta"))
                self._task(kind, uuid, event)
        return True

    def workers(self) -> Sequence[Worker] | None:
        """Return the workers, lost ones first; None while it is not known who there is, or how each is."""
        with self._lock:
            now = self._clock.monotonic()
            if self._since is None or now - self._alive > MOST_SILENCE:
                return None
            for host in [h for h, heard in self._workers.items() if now - heard.monotonic >= FORGET_AFTER]:
                del self._workers[host]
                self._held.ended(host)
            # Nobody was heard: not yet, or in words that are not understood.
            if not self._workers and (now - self._since < SETTLED_AFTER or self._troubled(now)):
                return None
            found = []
            for host, heard in sorted(self._workers.items()):
                state = self._state(heard, now, self._since)
                if state is None:
                    return None
                found.append(Worker(self._system, host, state, heard.at))
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

    def scheduled(self, queues: Sequence[str]) -> dict[str, int] | None:
        """Return how many tasks for later the workers that live hold, by queue; None where it is not known.

        A task whose queue nobody told is of the only queue, where there is one only.
        """
        alive = [worker.name for worker in self.workers() or () if worker.state != "lost"]
        with self._lock:
            tasks = self._held.scheduled(alive, self._clock.time())
            if tasks is None:
                return None
            rest = queues[0] if len(queues) == 1 else None
            found = Tally(self._queues.get(task, rest) for task in tasks)
        return None if None in found else {queue: found[queue] for queue in queues}

    def failures(self) -> dict[str, float]:
        """Return how many tasks failed for good since the start, by name; `unknown` where nobody told it."""
        with self._lock:
            return dict(self._failures)

    def _worker(self, kind: str, host: str, event: Mapping[str, Any]) -> None:
        if kind == "worker-offline":
            self._workers.pop(host, None)
            self._held.ended(host)
            return
        if host not in self._workers and len(self._workers) >= MOST_WORKERS:
            self._trouble = self._clock.monotonic(), _TOO_MANY
            return
        every, active = event.get("freq"), event.get("active")
        self._workers[host] = _Heard(
            self._clock.time(),
            self._clock.monotonic(),
            float(every) if isinstance(every, int | float) and 0 < every < 3600 else 2.0,
            active if isinstance(active, int) else 0,
        )
        if kind == "worker-online":
            self._held.started(host)

    def _state(self, heard: _Heard, now: float, since: float) -> State | None:
        """Return how a worker is; None of one that was not heard since the broker was heard again."""
        limit = max(LEAST_SILENCE, SILENT_BEATS * heard.every)
        if self._alive - max(heard.monotonic, since) > limit:
            return "lost"
        if heard.monotonic < since and now - heard.monotonic > limit:
            return None
        return "busy" if heard.active else "idle"

    def _troubled(self, now: float) -> bool:
        return self._trouble is not None and now - self._trouble[0] < TOLD_FOR

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
        table[uuid] = _text(value)
        while len(table) > MOST_TASKS:
            table.popitem(last=False)


def _text(value: str) -> str:
    """Return what can be shown of a name: JSON may hold halves of characters, which no scrape can."""
    return value[:LONGEST_NAME].encode("utf-8", "replace").decode()


def events_in(body: str | bytes) -> Sequence[Mapping[str, Any]]:
    """Return the events in the body of a message: one, or a list of them; none of what is no such body."""
    try:
        found = json.loads(body)
    except (ValueError, TypeError, RecursionError):
        return []
    listed = found if isinstance(found, list) else [found]
    return [event for event in listed if isinstance(event, dict)]
