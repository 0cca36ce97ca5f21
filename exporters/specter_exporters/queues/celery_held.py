"""Tasks for later (`eta`, `countdown`) that workers hold, where the broker does not tell what it gave them.

A worker tells of each task that it receives, and when that starts; what it received before anybody listened,
it does not tell. So it is known what a worker holds only if it was heard from its start, without a break.
"""

from collections.abc import Iterable

from specter_exporters.queues.messages import iso_time

MOST_HELD = 20_000
ENDED = frozenset({"task-started", "task-succeeded", "task-failed", "task-revoked", "task-rejected"})
"""Not `task-retried`: the attempt after it has the same identifier, and may have been received by then."""


class HeldTasks:
    """What each worker has received and not started."""

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._telling: set[str] = set()
        self._due: dict[str, dict[str, float]] = {}
        self._holder: dict[str, str] = {}

    def started(self, worker: str) -> None:
        """Take it that a worker has begun, and holds nothing."""
        self.ended(worker)
        self._whole.add(worker)

    def ended(self, worker: str) -> None:
        """Take it that a worker is gone: what it held is given to others, which tell of it."""
        self._whole.discard(worker)
        self._telling.discard(worker)
        for task in self._due.pop(worker, {}):
            del self._holder[task]

    def missed(self) -> None:
        """Take it that something was not heard."""
        for each in (self._whole, self._telling, self._due, self._holder):
            each.clear()

    def task(self, kind: str, worker: str, task: str, eta: object) -> None:
        """Add an event of a task; `eta` is an ISO 8601 time, or anything else for none."""
        if worker not in self._whole:
            return
        self._telling.add(worker)
        due = iso_time(eta) if kind == "task-received" else None
        if kind in ENDED or due is not None:
            self._release(task)
        if due is not None:
            self._holder[task] = worker
            self._due.setdefault(worker, {})[task] = due
            if len(self._holder) > MOST_HELD:
                self.missed()

    def scheduled(self, workers: Iterable[str], now: float) -> list[str] | None:
        """Return the tasks that these workers hold and that are due after `now`, unix seconds.

        None where it is not known of one of them: it was not heard from its start, or has told of no task
        yet, as it never does without `-E`.
        """
        alive = set(workers)
        if not alive or not alive <= self._telling:
            return None
        return [task for worker in alive for task, due in self._due.get(worker, {}).items() if due > now]

    def _release(self, task: str) -> None:
        holder = self._holder.pop(task, None)
        if holder is not None:
            del self._due[holder][task]
