"""Kafka: how far consumer groups are behind, in messages and in time.

Each topic that a group reads is a queue `group/topic`. What is asked of a cluster stands behind `Cluster`, so
that it is tested without one; `confluent_cluster` is the thin part that speaks to brokers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_exporters.queues.model import Answer, Outcome, Problem, Queue, Told

SYSTEM = "kafka"


class ClusterError(Exception):
    """The cluster does not answer, or refuses.

    Attributes:
        reason: one of `metrics.QUEUE_FAILURE_REASONS`.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Partition:
    """What a group has read of a partition; offsets count messages.

    Attributes:
        topic: its topic.
        number: its number.
        committed: the next one that the group will read; None if it has committed none.
        low: the first that is kept.
        high: the next that will be written.
    """

    topic: str
    number: int
    committed: int | None
    low: int
    high: int

    @property
    def behind(self) -> int | None:
        """How many messages the group has not read; None where it has committed nothing.

        What was deleted by retention before it was read is not to be read any more.
        """
        if self.committed is None:
            return None
        return max(0, self.high - max(self.committed, self.low))

    @property
    def next(self) -> int | None:
        """The offset of the oldest message that the group has not read; None where it has read all."""
        return max(self.committed or 0, self.low) if self.behind else None


class Cluster(Protocol):
    """What is asked of a cluster. Each call raises `ClusterError`, and takes a bounded time."""

    def partitions(self, group: str, topics: Sequence[str]) -> Sequence[Partition]:
        """Return every partition of `topics`; without any, those that it has committed an offset of."""

    def members(self, group: str) -> int | None:
        """Return how many consumers the group has; None where the brokers do not tell."""

    def written(self, topic: str, partition: int, offset: int) -> float | None:
        """Return when the message at `offset` was written, unix seconds; None where it does not say."""

    def close(self) -> None:
        """End the connections."""


@dataclass(frozen=True, slots=True)
class KafkaServer:
    """A cluster to ask.

    Attributes:
        name: value of the label `server`.
        bootstrap: HOST:PORT of brokers.
        groups: the consumer groups, and the topics that each reads; none for those that it has read before.
        options: further settings of librdkafka, none of which is a secret.
        password_file: holds `sasl.password`.
        timeout: seconds for one answer.
        max_queues: most topics of groups that are shown.
    """

    name: str
    bootstrap: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]]
    options: Mapping[str, str] = field(default_factory=dict)
    password_file: Path | None = field(default=None, repr=False)
    timeout: float = 3.0
    max_queues: int = 500


class KafkaSource:
    """A source over a cluster.

    Args:
        server: which groups to ask for.
        cluster: answers.
        clock: the time.
    """

    def __init__(self, server: KafkaServer, cluster: Cluster, clock: Clock) -> None:
        self._server = server
        self._cluster = cluster
        self._clock = clock

    @property
    def name(self) -> str:
        """Value of the label `server`."""
        return self._server.name

    def start(self) -> None:
        """Do nothing: nothing goes on between scrapes."""

    def ask(self) -> Told:
        """Return what the cluster tells now. A group that cannot be asked costs itself, if another can."""
        began = self._clock.monotonic()
        queues: list[Queue] = []
        problem: Problem | None = None
        answered = False
        for group, topics in self._server.groups.items():
            try:
                queues += self._group(group, topics)
                answered = True
            except (ClusterError, SpecterError) as error:
                reason = error.reason if isinstance(error, ClusterError) else "auth"
                problem = problem or Problem(reason, f"{group}: {error}")
        if not answered:
            return Told(problem)
        shown = queues[: self._server.max_queues]
        answer = Answer(shown, dropped=len(queues) - len(shown))
        return Told(outcomes=[Outcome(SYSTEM, self._clock.monotonic() - began, answer, problem)])

    def cut(self) -> None:
        """Do nothing: an answer ends at its own time-out."""

    def close(self) -> None:
        """End the connections."""
        self._cluster.close()

    def _group(self, group: str, topics: Sequence[str]) -> list[Queue]:
        members = self._cluster.members(group)
        found: dict[str, list[Partition]] = {}
        for partition in self._cluster.partitions(group, topics):
            found.setdefault(partition.topic, []).append(partition)
        return [self._topic(group, topic, parts, members) for topic, parts in sorted(found.items())]

    def _topic(self, group: str, topic: str, parts: Sequence[Partition], members: int | None) -> Queue:
        behind = [part.behind for part in parts]
        known = [each for each in behind if each is not None]
        whole = len(known) == len(parts)
        return Queue(
            SYSTEM,
            f"{group}/{topic}",
            # Of a partition of which nothing was committed, nobody knows where the group would begin.
            ready=sum(known) if whole else None,
            consumers=members,
            oldest=self._oldest(parts) if whole else None,
            totals={
                "arrived": sum(part.high for part in parts),
                **({"completed": sum(part.committed or 0 for part in parts)} if whole else {}),
            },
        )

    def _oldest(self, parts: Sequence[Partition]) -> float | None:
        """Return when the oldest message that was not read was written; None unless each of them says so."""
        times = [
            self._cluster.written(part.topic, part.number, part.next)
            for part in parts
            if part.next is not None
        ]
        known = [moment for moment in times if moment is not None]
        return min(known) if known and len(known) == len(times) else None
