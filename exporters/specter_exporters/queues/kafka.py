"""Kafka: how far consumer groups are behind, in messages and in time.

Each topic that a group reads is a queue `group/topic`. What is asked of a cluster stands behind `Cluster`, so
that it is tested without one; `confluent_cluster` is the thin part that speaks to brokers. Every question is
about all groups at once: a broker that is gone costs one time-out, not one for each group.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_exporters.queues.model import Answer, Outcome, Problem, Queue, Told

SYSTEM = "kafka"
NOTHING_COMMITTED = "has committed no offset, and no topics of it are configured"
_OF_COLLECTOR = {"auth": "connection", "tls": "connection", "refused": "connection", "starting": "connection"}
"""Reasons of a server that a part of it gives by another word."""


class ClusterError(Exception):
    """The cluster does not answer, or refuses.

    Attributes:
        reason: one of `metrics.QUEUE_FAILURE_REASONS`, or `missing`.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int


class Head(NamedTuple):
    """The offset in a partition from which something is not read."""

    place: Place
    offset: int


@dataclass(frozen=True, slots=True)
class Next:
    """What a consumer that reads from a head gets.

    Attributes:
        there: False if nothing is to be had up to the end: the offsets are marks of transactions.
        written: when the message was written, unix seconds; None where it does not say.
    """

    there: bool
    written: float | None = None


@dataclass(frozen=True, slots=True)
class Partition:
    """What a group has read of a partition; offsets count messages.

    Attributes:
        place: which partition.
        committed: the next one that the group will read; None if it has committed none.
        low: the first that is kept.
        high: the next that will be written.
    """

    place: Place
    committed: int | None
    low: int
    high: int

    @property
    def behind(self) -> int | None:
        """How many messages the group has not read; None where nobody can tell.

        What was deleted by retention before it was read is not to be read any more. Of an empty partition
        nothing is to be read, whether something was committed or not. A group that has committed more than
        there is will begin where its clients' settings say: the topic is a new one, or a broker lost its end.
        """
        if self.low == self.high:
            return 0
        if self.committed is None or self.committed > self.high:
            return None
        return self.high - max(self.committed, self.low)

    @property
    def read(self) -> int:
        """How many messages came before the first that the group has not read, where `behind` is known."""
        return self.high if self.committed is None else self.committed

    @property
    def head(self) -> Head | None:
        """From where it has not read; None where it has read all, or nobody can tell."""
        return Head(self.place, max(self.committed or 0, self.low)) if self.behind else None


class Cluster(Protocol):
    """What is asked of a cluster. Each call takes a bounded time."""

    def partitions(self, topics: Collection[str]) -> Mapping[str, Sequence[Place] | ClusterError]:
        """Return the partitions of each topic; none is made by being asked for."""

    def all_partitions(self) -> Sequence[Place]:
        """Return the partitions of every topic that is not Kafka's own.

        Raises:
            ClusterError: the cluster does not answer.
        """

    def committed(
        self, groups: Mapping[str, Sequence[Place]]
    ) -> Mapping[str, Mapping[Place, int | None] | ClusterError]:
        """Return the offset that each group has committed of those partitions; None where it has none."""

    def members(self, groups: Collection[str]) -> Mapping[str, int]:
        """Return how many consumers each group has, as far as the brokers tell."""

    def ends(self, places: Collection[Place]) -> Mapping[Place, tuple[int, int] | ClusterError]:
        """Return the first offset that each partition keeps, and the next that it will have."""

    def look(self, heads: Collection[Head]) -> Mapping[Head, Next | ClusterError]:
        """Return what is next at each head."""

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
        """Return what the cluster tells now. What cannot be learnt of one group does not cost the others."""
        began = self._clock.monotonic()
        problems: list[Problem] = []
        try:
            answer = self._answer(problems)
        except ClusterError as error:
            return Told(Problem(error.reason, str(error)))
        except SpecterError as error:  # the password's file
            return Told(Problem("auth", str(error)))
        problem = problems[0] if problems else None
        return Told(outcomes=[Outcome(SYSTEM, self._clock.monotonic() - began, answer, problem)])

    def cut(self) -> None:
        """Do nothing: an answer ends at its own time-out."""

    def close(self) -> None:
        """End the connections."""
        self._cluster.close()

    def _answer(self, problems: list[Problem]) -> Answer:
        committed = self._committed(problems)
        places = {place for offsets in committed.values() for place in offsets}
        ends = self._cluster.ends(places) if places else {}
        members = self._cluster.members(committed) if committed else {}
        topics: list[tuple[str, str, list[Partition]]] = []
        for group, offsets in committed.items():
            for topic, parts in sorted(_by_topic(offsets, ends).items()):
                lost = next((part for part in parts if isinstance(part, ClusterError)), None)
                if lost is None:
                    topics.append((group, topic, [part for part in parts if isinstance(part, Partition)]))
                else:
                    problems.append(_problem(f"{group}/{topic}", lost))
        shown = topics[: self._server.max_queues]
        heads = {part.head for *_, parts in shown for part in parts if part.head is not None}
        found: dict[Head, Next] = {}
        for head, seen in (self._cluster.look(heads) if heads else {}).items():
            if isinstance(seen, ClusterError):
                problems.append(
                    _problem(f"the message at {head.offset} of {'/'.join(map(str, head.place))}", seen)
                )
            else:
                found[head] = seen
        queues = [_queue(group, topic, parts, members.get(group), found) for group, topic, parts in shown]
        return Answer(queues, dropped=len(topics) - len(shown))

    def _committed(self, problems: list[Problem]) -> dict[str, Mapping[Place, int | None]]:
        """Return what each group has committed, and add why others are not known.

        Raises:
            ClusterError: nothing is known of any group.
        """
        errors: list[tuple[str, ClusterError]] = []
        asked = self._asked(errors)
        told: dict[str, Mapping[Place, int | None]] = {}
        for group, offsets in self._cluster.committed(asked).items():
            if isinstance(offsets, ClusterError):
                errors.append((group, offsets))
            elif self._server.groups[group]:
                told[group] = offsets
            else:
                told[group] = _read_topics(offsets)
                if not told[group]:
                    errors.append((group, ClusterError("missing", NOTHING_COMMITTED)))
        problems += [_problem(what, error) for what, error in errors]
        if not told and errors and all(error.reason != "missing" for _, error in errors):
            raise errors[0][1]
        return told

    def _asked(self, errors: list[tuple[str, ClusterError]]) -> dict[str, Sequence[Place]]:
        """Return of which partitions each group is asked, and add which topics of it are not there."""
        groups = self._server.groups
        named = {topic for topics in groups.values() for topic in topics}
        # First, because it raises where nobody answers, and a second question would take as long again.
        everything = [] if all(groups.values()) else self._cluster.all_partitions()
        known = self._cluster.partitions(named) if named else {}
        asked: dict[str, Sequence[Place]] = {
            group: everything for group, topics in groups.items() if not topics
        }
        for group, topics in groups.items():
            places: list[Place] = []
            for topic in topics:
                there = known[topic]
                if isinstance(there, ClusterError):
                    errors.append((f"{group}/{topic}", there))
                else:
                    places += there
            if places:
                asked[group] = places
        return asked


def _read_topics(offsets: Mapping[Place, int | None]) -> Mapping[Place, int | None]:
    """Return the partitions of the topics that a group has committed an offset of."""
    topics = {place.topic for place, offset in offsets.items() if offset is not None}
    return {place: offset for place, offset in offsets.items() if place.topic in topics}


def _problem(what: str, error: ClusterError) -> Problem:
    return Problem(_OF_COLLECTOR.get(error.reason, error.reason), f"{what}: {error}")


def _by_topic(
    offsets: Mapping[Place, int | None], ends: Mapping[Place, tuple[int, int] | ClusterError]
) -> dict[str, list[Partition | ClusterError]]:
    found: dict[str, list[Partition | ClusterError]] = {}
    for place, offset in offsets.items():
        end = ends[place]
        part = end if isinstance(end, ClusterError) else Partition(place, offset, *end)
        found.setdefault(place.topic, []).append(part)
    return found


def _queue(
    group: str,
    topic: str,
    parts: Sequence[Partition],
    members: int | None,
    found: Mapping[Head, Next],
) -> Queue:
    # Marks of transactions have offsets, and are no messages: behind them nothing may wait.
    waiting = [part for part in parts if part.head is None or found.get(part.head, Next(True)).there]
    behind = [part.behind for part in waiting]
    known = [each for each in behind if each is not None]
    whole = len(known) == len(behind)
    return Queue(
        SYSTEM,
        f"{group}/{topic}",
        # Where a group would begin in a partition of which it has committed nothing, nobody knows.
        ready=sum(known) if whole else None,
        consumers=members,
        oldest=_oldest(waiting, found) if whole else None,
        totals={
            "arrived": sum(part.high for part in parts),
            **({"completed": sum(part.read for part in parts)} if whole else {}),
        },
    )


def _oldest(parts: Sequence[Partition], found: Mapping[Head, Next]) -> float | None:
    """Return when the oldest message that was not read was written; None unless each partition says so."""
    times = [found.get(part.head, Next(True)).written for part in parts if part.head is not None]
    known = [moment for moment in times if moment is not None]
    return min(known) if known and len(known) == len(times) else None
