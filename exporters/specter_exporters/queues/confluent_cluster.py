"""What Kafka's brokers are asked, through confluent-kafka (librdkafka)."""

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing
from typing import Any, TypeVar

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # it is public

from specter_core.secret_files import read_secret_file
from specter_exporters.queues.kafka import ClusterError, Head, KafkaServer, Next, Place

T = TypeVar("T")
READER = "specter-queue-exporter"
"""The group of the consumer that looks at single messages; it joins no group and commits nothing."""
AT_ONCE = 16
"""Groups that are asked for at the same time."""
FETCHED = 20 * 1024
"""Bytes of a partition that an answer may hold: one batch of 16 KiB."""
GRACE = 1.0
"""Seconds that librdkafka has, beyond the time-out, to say itself that it is over."""
NO_ANSWER = "the partition's leader does not answer"
_REASONS = {
    "_TIMED_OUT": "timeout",
    "_TIMED_OUT_QUEUE": "timeout",
    "REQUEST_TIMED_OUT": "timeout",
    "_TRANSPORT": "refused",
    "_ALL_BROKERS_DOWN": "refused",
    "_RESOLVE": "refused",
    "_SSL": "tls",
    "_AUTHENTICATION": "auth",
    "SASL_AUTHENTICATION_FAILED": "auth",
    "TOPIC_AUTHORIZATION_FAILED": "privilege",
    "GROUP_AUTHORIZATION_FAILED": "privilege",
    "CLUSTER_AUTHORIZATION_FAILED": "privilege",
    "COORDINATOR_LOAD_IN_PROGRESS": "starting",
    "COORDINATOR_NOT_AVAILABLE": "starting",
    "UNKNOWN_TOPIC_OR_PART": "missing",
}
_OF_CONNECTIONS = {"timeout", "refused", "tls", "auth"}


class ConfluentCluster:
    """A cluster over librdkafka, whose clients are made at the first question and kept while it answers.

    Args:
        server: which one.
    """

    def __init__(self, server: KafkaServer) -> None:
        self._server = server
        self._clients: tuple[AdminClient, Consumer] | None = None
        self._heard: ClusterError | None = None
        self._stale = False

    def partitions(self, topics: Collection[str]) -> Mapping[str, Sequence[Place] | ClusterError]:
        """Return the partitions of each topic. Unlike a list of topics, a description makes none.

        Raises:
            ClusterError: the settings make no client.
            SpecterError: the password cannot be read.
        """
        admin, _ = self._open()
        futures = self._call(
            admin.describe_topics, TopicCollection(list(topics)), request_timeout=self._server.timeout
        )
        told = {topic: self._result(future) for topic, future in futures.items()}
        return {
            topic: each
            if isinstance(each, ClusterError)
            else [Place(topic, part.id) for part in each.partitions]
            for topic, each in told.items()
        }

    def all_partitions(self) -> Sequence[Place]:
        """Return the partitions of every topic that is not Kafka's own.

        Raises:
            ClusterError: the cluster does not answer, or the settings make no client.
            SpecterError: the password cannot be read.
        """
        admin, _ = self._open()
        try:
            topics = admin.list_topics(timeout=self._server.timeout).topics
        except KafkaException as error:
            raise self._why(_refused(error.args[0])) from error
        self._heard = None
        return [
            Place(name, number)
            for name, topic in topics.items()
            if not name.startswith("__")
            for number in topic.partitions
        ]

    def committed(
        self, groups: Mapping[str, Sequence[Place]]
    ) -> Mapping[str, Mapping[Place, int | None] | ClusterError]:
        """Return the offset that each group has committed of those partitions; None where it has none.

        A consumer of the group asks, which neither joins it nor commits; it is not kept, because it has
        threads and connections of its own. Where an `AdminClient` asks, a broker that does not coordinate
        the group any more, as after a restart, ends this process: librdkafka then looks for the group
        that only consumers have (https://github.com/confluentinc/librdkafka/issues/5040).

        Raises:
            ClusterError: the settings make no client.
            SpecterError: the password cannot be read.
        """
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="kafka") as pool:
            futures = {group: pool.submit(self._committed, group, places) for group, places in groups.items()}
            return {group: future.result() for group, future in futures.items()}

    def members(self, groups: Collection[str]) -> Mapping[str, int]:
        """Return how many consumers each group has, as far as the brokers tell.

        Consumers that assign partitions to themselves, as Flink and Spark do, commit for a group that has
        no members; who they are, brokers do not know.

        Raises:
            ClusterError: the settings make no client.
            SpecterError: the password cannot be read.
        """
        admin, _ = self._open()
        futures = self._call(
            admin.describe_consumer_groups, list(groups), request_timeout=self._server.timeout
        )
        told = {group: self._result(future) for group, future in futures.items()}
        return {
            group: len(each.members)
            for group, each in told.items()
            if not isinstance(each, ClusterError) and not each.is_simple_consumer_group
        }

    def ends(self, places: Collection[Place]) -> Mapping[Place, tuple[int, int] | ClusterError]:
        """Return the first offset that each partition keeps, and the next that it will have.

        Raises:
            ClusterError: the settings make no client.
            SpecterError: the password cannot be read.
        """
        # The beginning first: a message that comes in between makes no partition emptier than it is.
        low = self._offsets(places, OffsetSpec.earliest())
        high = self._offsets(places, OffsetSpec.latest())
        return {place: _both(low[place], high[place]) for place in places}

    def look(self, heads: Collection[Head]) -> Mapping[Head, Next | ClusterError]:
        """Return what is next at each head. All of them together take the time of one answer at most.

        Raises:
            ClusterError: the client does not read.
            SpecterError: the password cannot be read.
        """
        _, consumer = self._open()
        deadline = time.monotonic() + self._server.timeout
        late = ClusterError("timeout", f"did not come within {self._server.timeout:g} s")
        found: dict[Head, Next | ClusterError] = dict.fromkeys(heads, late)
        left = set(heads)
        while left and time.monotonic() < deadline:
            # A partition is read from one offset at a time, and groups may differ in theirs.
            turn = {head.place: head for head in sorted(left)}
            left -= set(turn.values())
            found |= self._read(consumer, turn, deadline)
        return found

    def close(self) -> None:
        """End the connections."""
        if self._clients is not None:
            self._clients[1].close()
            self._clients = None

    def _committed(self, group: str, places: Sequence[Place]) -> Mapping[Place, int | None] | ClusterError:
        if not places:
            return {}
        asked = [TopicPartition(*place) for place in places]
        with closing(self._consumer(group)) as consumer:
            try:
                found = consumer.committed(asked, self._server.timeout)
            except KafkaException as error:
                # Why its coordinator is not found, it tells as if it were a message.
                message = consumer.poll(0)
                refused = None if message is None else message.error()
                return self._why(_refused(error.args[0])) if refused is None else _refused(refused)
        refused = next((part.error for part in found if part.error is not None), None)
        if refused is not None:
            return _refused(refused)
        return {
            Place(part.topic, part.partition): part.offset if part.offset >= 0 else None for part in found
        }

    def _read(
        self, consumer: Consumer, turn: Mapping[Place, Head], deadline: float
    ) -> dict[Head, Next | ClusterError]:
        found: dict[Head, Next | ClusterError] = {}
        wanted: dict[tuple[str | None, int | None], Head] = {
            (place.topic, place.number): head for place, head in turn.items()
        }
        self._call(consumer.assign, [TopicPartition(*place, head.offset) for place, head in turn.items()])
        try:
            while wanted and (seconds := deadline - time.monotonic()) > 0:
                message: Message | None = self._call(consumer.poll, seconds)
                head = None if message is None else wanted.pop((message.topic(), message.partition()), None)
                if message is None or head is None:
                    continue
                # Nothing more of it is fetched.
                self._call(consumer.incremental_unassign, [TopicPartition(*head.place)])
                found[head] = _seen(message)
        finally:
            self._call(consumer.unassign)
        return found

    def _open(self) -> tuple[AdminClient, Consumer]:
        if self._stale:
            self.close()
            self._stale, self._heard = False, None
        if self._clients is None:
            reading = {
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                # A message of a transaction that is not ended waits too, for the readers of committed ones.
                "isolation.level": "read_uncommitted",
                # A batch as producers make them by default: of larger ones a broker gives one an answer, so
                # that many partitions would take long. And at once: 500 ms would pass before it looks at
                # what was assigned since.
                "fetch.message.max.bytes": FETCHED,
                "fetch.wait.max.ms": 10,
            }
            admin = self._call(AdminClient, self._options())
            self._clients = (admin, self._consumer(READER, **reading))
        self._listen(*self._clients)
        return self._clients

    def _consumer(self, group: str, **options: object) -> Consumer:
        own = {"group.id": group, "enable.auto.commit": False}
        consumer: Consumer = self._call(Consumer, {**self._options(), **own, **options})
        return consumer

    def _options(self) -> dict[str, Any]:
        server = self._server
        options: dict[str, Any] = {
            # One that is back is found soon.
            "reconnect.backoff.max.ms": 1000,
            **server.options,
            "bootstrap.servers": ",".join(server.bootstrap),
            "socket.timeout.ms": int(server.timeout * 1000),
            "client.id": READER,
            # What it would log at each attempt is told as the reason why there is no answer.
            "log_level": 0,
            "error_cb": self._hear,
        }
        if server.password_file is not None:
            options["sasl.password"] = read_secret_file(server.password_file, what="password_file")
        return options

    def _offsets(self, places: Collection[Place], spec: OffsetSpec) -> dict[Place, int | ClusterError]:
        admin, _ = self._open()
        asked = {TopicPartition(*place): spec for place in places}
        futures = self._call(admin.list_offsets, asked, request_timeout=self._server.timeout)
        told = {Place(part.topic, part.partition): self._result(future) for part, future in futures.items()}
        return {
            place: each if isinstance(each, ClusterError) else each.offset for place, each in told.items()
        }

    def _result(self, future: "Future[T]") -> "T | ClusterError":
        """Return what the brokers answer, or why they do not."""
        try:
            answer = future.result(self._server.timeout + GRACE)
        except FutureTimeoutError:
            return self._why(ClusterError("timeout", f"no answer within {self._server.timeout:g} s"))
        except KafkaException as error:
            return self._why(_refused(error.args[0]))
        self._heard = None
        return answer

    def _why(self, error: ClusterError) -> ClusterError:
        """Return what was heard of the connections where `error` says only that time is over."""
        if error.reason in {"timeout", "refused"} and self._clients is not None:
            self._listen(*self._clients)
            error = self._heard or error
        # With other clients the password is read anew; and these may wait for ever for a broker that was
        # started again.
        self._stale |= error.reason in _OF_CONNECTIONS
        return error

    @staticmethod
    def _listen(admin: AdminClient, consumer: Consumer) -> None:
        """Let the clients tell what they have kept until somebody asks."""
        admin.poll(0)
        consumer.poll(0)

    def _hear(self, error: KafkaError) -> None:
        """Remember what librdkafka says of its connections; that all are down says the least."""
        if error.name() != "_ALL_BROKERS_DOWN" or self._heard is None:
            self._heard = _refused(error)

    @staticmethod
    def _call(ask: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return ask(*arguments, **options)
        except KafkaException as error:
            raise _refused(error.args[0]) from error


def _both(low: int | ClusterError, high: int | ClusterError) -> tuple[int, int] | ClusterError:
    if isinstance(low, ClusterError):
        return low
    if isinstance(high, ClusterError):
        return high
    # No error, but no offset either, of a broker that has just gone.
    return (low, high) if min(low, high) >= 0 else ClusterError("timeout", NO_ANSWER)


def _seen(message: Message) -> Next | ClusterError:
    error = message.error()
    if error is None:
        kind, milliseconds = message.timestamp()
        return Next(True, None if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds / 1000)
    if error.code() == KafkaError._PARTITION_EOF:
        return Next(False)
    # Retention has deleted it a moment ago.
    return Next(True) if error.code() == KafkaError._AUTO_OFFSET_RESET else _refused(error)


def _refused(error: KafkaError) -> ClusterError:
    reason = _REASONS.get(error.name(), "other")
    if reason == "refused" and "SSL" in error.str():
        reason = "tls"
    return ClusterError(reason, error.str() or error.name())
