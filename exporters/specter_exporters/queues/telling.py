"""Make samples of what sources tell."""

import logging
from collections import Counter as Tally
from collections.abc import Callable

from specter_core import metrics
from specter_core.clock import Clock
from specter_exporters.families import Families
from specter_exporters.queues.heads import first_seen
from specter_exporters.queues.ledger import Ledger, key
from specter_exporters.queues.model import Answer, Memory, Outcome, Problem, Queue, Told
from specter_exporters.queues.tally import tally

logger = logging.getLogger(__name__)
_COUNTERS = {
    "arrived": metrics.QUEUE_ARRIVED,
    "completed": metrics.QUEUE_COMPLETED,
    "failed": metrics.QUEUE_FAILED,
    "retried": metrics.QUEUE_RETRIED,
}


class Telling:
    """Samples, and the log of what changed. One scrape at a time.

    Args:
        ledger: counters, and heads of queues.
        clock: the time.
        save: keeps the ledger; None where it is not to be kept.
    """

    def __init__(self, ledger: Ledger, clock: Clock, save: Callable[[bytes], None] | None) -> None:
        self._ledger = ledger
        self._clock = clock
        self._save = save
        self._said: dict[str, Problem] = {}

    def tell(self, board: Families, server: str, told: Told) -> None:
        """Add the samples of a server to `board`."""
        problem = told.problem
        self._say(server, problem)
        board.add(metrics.QUEUE_UP, [server], problem is None)
        for reason in metrics.QUEUE_FAILURE_REASONS:
            board.add(
                metrics.QUEUE_FAILURE, [server, reason], problem is not None and problem.reason == reason
            )
        if problem is not None:
            return
        board.maybe(metrics.QUEUE_DISCOVERED, [server], told.complete)
        kept = self._kept(server, told)
        for outcome in told.outcomes:
            self._outcome(board, server, outcome, kept=kept)
        holds = self._holds(server, any(outcome.answer.queues for outcome in told.outcomes))
        for outcome in told.outcomes:
            if outcome.answer.memory is not None:
                _memory(board, server, outcome.answer.memory, holds=holds)

    def save(self) -> None:
        """Keep the ledger before what was told is seen: a counter that goes back is taken for a restart."""
        now = self._clock.time()
        if self._save is None:
            self._ledger.forget(now)
            return
        data = self._ledger.dump(now)
        if data is None:
            return
        try:
            self._save(data)
        except OSError as error:
            self._say("state", Problem("other", f"cannot be saved: {error.strerror}"))
        else:
            self._say("state", None)

    def _holds(self, server: str, queues: bool) -> bool:
        """Return whether the server holds queues, or did: who evicts may have lost what tells of them."""
        place, now = key(server, "holds"), self._clock.time()
        if queues and self._ledger.get(place, now) is None:
            self._ledger.put(place, 1.0, now)
        return queues or self._ledger.get(place, now) is not None

    def _kept(self, server: str, told: Told) -> bool:
        """Return whether a server has kept its keys since the scrape before, as far as it tells."""
        runs = [each.answer.memory.run for each in told.outcomes if each.answer.memory is not None]
        if not runs:
            return True
        place, now = key(server, "run"), self._clock.time()
        before = self._ledger.get(place, now)
        if before != runs[0]:
            self._ledger.put(place, runs[0], now)
        return before is None or before == runs[0]

    def _outcome(self, board: Families, server: str, outcome: Outcome, *, kept: bool) -> None:
        name, problem = outcome.name, outcome.problem
        self._say(f"{server}: {name}", problem)
        board.add(metrics.QUEUE_COLLECTOR_SUCCESS, [server, name], problem is None)
        board.add(metrics.QUEUE_COLLECTOR_DURATION, [server, name], outcome.seconds)
        if problem is not None:
            board.add(metrics.QUEUE_COLLECTOR_FAILURE, [server, name, problem.reason], 1)
        board.add(metrics.QUEUE_DROPPED, [server, name], outcome.answer.dropped)
        now = self._clock.time()
        for queue in outcome.answer.queues:
            self._queue(board, server, queue, now, kept=kept)
        for task, count in outcome.answer.failures.items():
            place = key(server, name, "task", task)
            counted = self._ledger.follow(place, count, now, outcome.answer.epoch)
            board.add(metrics.QUEUE_TASK_FAILURES, [server, task], counted)
        if not outcome.answer.by_word or self._spoken(server, outcome):
            _workers(board, server, outcome.answer)

    def _spoken(self, server: str, outcome: Outcome) -> bool:
        """Return whether any worker says something of itself, or did."""
        place, now = key(server, outcome.name, "spoken"), self._clock.time()
        spoken = self._ledger.get(place, now) is not None
        if outcome.answer.workers and not spoken:
            self._ledger.put(place, 1.0, now)
        return spoken or bool(outcome.answer.workers)

    def _queue(self, board: Families, server: str, queue: Queue, now: float, *, kept: bool) -> None:
        labels = [server, queue.system, queue.name]
        board.maybe(metrics.QUEUE_DEPTH, labels, queue.depth)
        board.maybe(metrics.QUEUE_READY, labels, queue.ready)
        board.maybe(metrics.QUEUE_IN_PROGRESS, labels, queue.in_progress)
        board.maybe(metrics.QUEUE_SCHEDULED, labels, queue.scheduled)
        board.maybe(metrics.QUEUE_DEAD_LETTERS, labels, queue.dead_letters)
        board.maybe(metrics.QUEUE_CONSUMERS, labels, queue.consumers)
        board.maybe(metrics.QUEUE_OLDEST_TAKEN, labels, queue.oldest_taken)
        board.maybe(metrics.QUEUE_OLDEST, [*labels, "published"], queue.oldest)
        board.maybe(
            metrics.QUEUE_OLDEST, [*labels, "first_seen"], first_seen(self._ledger, server, queue, now)
        )
        for counter, value in tally(self._ledger, server, queue, now, kept=kept).items():
            board.add(_COUNTERS[counter], labels, value)

    def _say(self, what: str, problem: Problem | None) -> None:
        """Log a change, not each scrape."""
        before = self._said.pop(what, None)
        if problem is not None:
            self._said[what] = problem
            if before is None or before.reason != problem.reason:
                logger.warning("%s: %s: %s", what, problem.reason, problem.message)
        elif before is not None:
            logger.info("%s: all is told again", what)


def _workers(board: Families, server: str, answer: Answer) -> None:
    if answer.workers is None:
        return
    states = Tally((worker.system, str(worker.state)) for worker in answer.workers)
    for system in answer.systems:
        for state in metrics.WORKER_STATES:
            board.add(metrics.QUEUE_WORKERS, [server, system, state], states[system, state])
    for worker in answer.workers[: answer.named]:
        board.maybe(metrics.QUEUE_WORKER_HEARTBEAT, [server, worker.system, worker.name], worker.heartbeat)


def _memory(board: Families, server: str, memory: Memory, *, holds: bool) -> None:
    board.add(metrics.CACHE_HITS, [server], memory.hits)
    board.add(metrics.CACHE_MISSES, [server], memory.misses)
    board.add(metrics.CACHE_EVICTIONS, [server], memory.evictions)
    board.add(metrics.CACHE_MEMORY, [server], memory.used)
    board.maybe(metrics.CACHE_MEMORY_MAX, [server], memory.limit)
    board.add(metrics.CACHE_EVICTS, [server], memory.evicts)
    if holds:
        board.add(metrics.BROKER_EVICTS, [server], memory.evicts)
