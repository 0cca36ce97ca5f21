"""What Celery's workers tell of a virtual host of RabbitMQ: who there is, and what became of tasks.

What waits is RabbitMQ's to tell. Workers are told by the same value of `system` as the queues, because alerts
hold the one against the other.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from specter_exporters.queues.celery_events import CeleryEvents
from specter_exporters.queues.model import Answer, Counter, Queue

COLLECTOR = "celery"


class Background(Protocol):
    """Goes on between scrapes."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, soon."""


class CeleryWorkers:
    """Adds to the queues of a virtual host what workers tell.

    Args:
        vhost: whose queues they are.
        events: what workers tell.
        listener: hears them.
        most: workers that are told by name.
    """

    def __init__(self, vhost: str, events: CeleryEvents, listener: Background, most: int) -> None:
        self.vhost = vhost
        self.listener = listener
        self._events = events
        self._most = most

    def outcomes(self, queues: Mapping[str, Queue], system: str, label: str) -> dict[str, Queue]:
        """Return the queues of the virtual host with what became of their tasks, by their names in it.

        Only of queues that a worker has told of: others may not be Celery's. What is told of no queue in
        particular is of one of its own, whose label begins with `label`.
        """
        names = sorted(queues)
        told = {name: counts for name, counts in self._events.counts(names).items() if any(counts.values())}
        later = self._events.scheduled(names) or {}
        found = {
            name: self._with(
                queue, told.get(name, {}), later.get(name) if name in told or later.get(name) else None
            )
            for name, queue in queues.items()
        }
        return found | {
            name: Queue(system, f"{label}{name}", totals=rest, epochs=self._events.epochs)
            for name, rest in told.items()
            if name not in queues
        }

    def answer(self, system: str) -> Answer:
        """Return the workers."""
        workers = self._events.workers()
        return Answer(
            workers=workers,
            named=self._most,
            systems=() if workers is None else (system,),
            by_word=True,
            dropped=max(0, len(workers or ()) - self._most),
            failures=self._events.failures(),
            epoch=self._events.epoch,
            problem=self._events.problem(),
        )

    def _with(self, queue: Queue, counts: Mapping[Counter, float], later: int | None) -> Queue:
        """Return a queue with what was counted: acknowledged is also what failed, and so is not completed.

        What workers hold for later is not acknowledged either, and not in progress.
        """
        broker: dict[Counter, float] = {name: n for name, n in queue.totals.items() if name != "completed"}
        counted = replace(queue, totals=broker | dict(counts), epochs=self._events.epochs)
        taken = queue.in_progress
        if later is None or taken is None:
            return counted
        scheduled = min(later, taken)
        return replace(counted, in_progress=taken - scheduled, scheduled=scheduled)
