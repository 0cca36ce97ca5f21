"""What a source tells of queues, workers and caches, whatever the broker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

Counter = Literal["arrived", "completed", "failed", "retried"]
State = Literal["busy", "idle", "suspended", "lost"]


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue at one moment; None is what is not known.

    Attributes:
        system: one of `metrics.QUEUE_SYSTEMS`.
        name: of the queue.
        ready: messages that could be taken now.
        in_progress: messages taken and not acknowledged.
        scheduled: messages for later.
        dead_letters: messages given up and kept.
        consumers: who takes messages from it.
        oldest: when the oldest ready message was published, unix seconds.
        head: a number of at most 53 bits that tells the message that is next from others, where nothing
            says when it was published.
        oldest_taken: when the oldest message in progress was taken, unix seconds.
        totals: the broker's own counters, which may begin anew with it.
        epochs: by counter of the totals, what changes when it has begun anew, where that is known.
        more: what to add to counters since the scrape before.
        whole: False where something is not known that is at other times.
    """

    system: str
    name: str
    ready: float | None = None
    in_progress: float | None = None
    scheduled: float | None = None
    dead_letters: float | None = None
    consumers: float | None = None
    oldest: float | None = None
    head: int | None = None
    oldest_taken: float | None = None
    totals: Mapping[Counter, float] = field(default_factory=dict)
    epochs: Mapping[Counter, str] = field(default_factory=dict)
    more: Mapping[Counter, float] = field(default_factory=dict)
    whole: bool = True

    @property
    def depth(self) -> float | None:
        """Messages that nobody has finished, of what the system tells; None where a part is not known."""
        if self.ready is None or not self.whole:
            return None
        return self.ready + (self.in_progress or 0) + (self.scheduled or 0)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker at one moment.

    Attributes:
        system: whose it is.
        name: of the worker.
        state: lost, if it should have been heard of.
        heartbeat: its last sign of life, unix seconds.
    """

    system: str
    name: str
    state: State
    heartbeat: float | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """A server of keys as a cache: what is looked for, found and forgotten, and the room that is left.

    Attributes:
        hits: keys found since the server started.
        misses: keys not found.
        evictions: keys deleted for want of memory.
        used: bytes.
        limit: bytes; None without one.
        evicts: whether the policy allows to delete keys.
        run: a number of at most 53 bits, another one after the server was started anew or deleted keys.
    """

    hits: float
    misses: float
    evictions: float
    used: float
    limit: float | None
    evicts: bool
    run: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What one collector found.

    Attributes:
        queues: that it knows.
        workers: that it knows; None where it cannot tell, which is not the same as none.
        named: how many of them, from the first, are told by name.
        systems: whose workers it would tell, so that none of a state is 0.
        by_word: whether workers are known by what they say alone. Until one has said something, none may be
            because none of them does.
        failures: tasks that failed for good since `epoch`, by name.
        epoch: of the failures.
        memory: of the server.
        dropped: queues or workers that were too many.
        problem: why a part of it is missing.
    """

    queues: Sequence[Queue] = ()
    workers: Sequence[Worker] | None = None
    named: int | None = None
    systems: Sequence[str] = ()
    by_word: bool = False
    failures: Mapping[str, float] = field(default_factory=dict)
    epoch: str = ""
    memory: Memory | None = None
    dropped: int = 0
    problem: "Problem | None" = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something is not known.

    Attributes:
        reason: a word, which is a label.
        message: a line for the log.
    """

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a collector in one scrape."""

    name: str
    seconds: float
    answer: Answer
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a server told in one scrape.

    Attributes:
        problem: why it could not be asked at all.
        outcomes: one a collector; none with a problem.
        complete: whether all of it was searched for queues; None where nothing is searched.
    """

    problem: Problem | None = None
    outcomes: Sequence[Outcome] = ()
    complete: bool | None = None


class Source(Protocol):
    """A broker that is asked at each scrape."""

    @property
    def name(self) -> str:
        """Value of the label `server`."""

    def start(self) -> None:
        """Begin what goes on between scrapes."""

    def ask(self) -> Told:
        """Return what it tells now; it never raises for what the broker does, and takes a bounded time."""

    def cut(self) -> None:
        """End the connection of an `ask` that takes too long, from another thread."""

    def close(self) -> None:
        """End what `start` began, and the connections."""
