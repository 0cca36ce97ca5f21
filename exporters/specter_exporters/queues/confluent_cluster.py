"""What Kafka's brokers are asked, through confluent-kafka (librdkafka)."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # it is public

from specter_core.secret_files import read_secret_file
from specter_exporters.queues.kafka import ClusterError, KafkaServer, Partition

logger = logging.getLogger(__name__)
T = TypeVar("T")
READER = "specter-queue-exporter"
"""The group of the consumer that looks at single messages; it joins no group and commits nothing."""
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
}


class ConfluentCluster:
    """A cluster over librdkafka, whose clients are made at the first question and kept.

    Args:
        server: which one.
    """

    def __init__(self, server: KafkaServer) -> None:
        self._server = server
        self._clients: tuple[AdminClient, Consumer] | None = None

    def partitions(self, group: str, topics: Sequence[str]) -> Sequence[Partition]:
        """Return every partition of `topics`; without any, those that the group has committed an offset of.

        Raises:
            ClusterError: the cluster does not answer, or refuses.
        """
        admin, _ = self._open()
        named = [
            TopicPartition(topic, partition)
            for topic in topics
            for partition in self._call(admin.list_topics, topic, self._server.timeout)
            .topics[topic]
            .partitions
        ]
        if topics and not named:  # none of them exists
            return []
        asked = [ConsumerGroupTopicPartitions(group, named or None)]
        offsets = self._result(
            self._call(admin.list_consumer_group_offsets, asked, request_timeout=self._server.timeout)[group]
        )
        committed = {(part.topic, part.partition): part.offset for part in offsets.topic_partitions}
        low, high = (self._ends(admin, list(committed), spec) for spec in ("earliest", "latest"))
        return [
            Partition(*place, offset if offset >= 0 else None, low[place], high[place])
            for place, offset in committed.items()
        ]

    def members(self, group: str) -> int | None:
        """Return how many consumers the group has; None where the brokers do not tell.

        Raises:
            ClusterError: the cluster does not answer, or refuses.
        """
        admin, _ = self._open()
        described = self._call(admin.describe_consumer_groups, [group], request_timeout=self._server.timeout)
        try:
            return len(described[group].result(self._server.timeout).members)
        except (KafkaException, FutureTimeoutError):
            # Another right than that to read offsets, and nothing that all brokers know.
            return None

    def written(self, topic: str, partition: int, offset: int) -> float | None:
        """Return when the message at `offset` was written, unix seconds; None where it does not say.

        Raises:
            ClusterError: the cluster does not answer, or refuses.
        """
        _, consumer = self._open()
        self._call(consumer.assign, [TopicPartition(topic, partition, offset)])
        try:
            message = self._call(consumer.poll, self._server.timeout)
        finally:
            self._call(consumer.unassign)
        if message is None or message.error() is not None:
            return None
        kind, milliseconds = message.timestamp()
        return None if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds / 1000

    def close(self) -> None:
        """End the connections."""
        if self._clients is not None:
            self._clients[1].close()
            self._clients = None

    def _open(self) -> tuple[AdminClient, Consumer]:
        if self._clients is None:
            server = self._server
            options: dict[str, Any] = {
                **server.options,
                "bootstrap.servers": ",".join(server.bootstrap),
                "socket.timeout.ms": int(server.timeout * 1000),
                "client.id": READER,
            }
            if server.password_file is not None:
                options["sasl.password"] = read_secret_file(server.password_file, what="password_file")
            reading = {"group.id": READER, "enable.auto.commit": False, "auto.offset.reset": "error"}
            self._clients = (
                self._call(AdminClient, options, logger=logger),
                self._call(Consumer, {**options, **reading, "fetch.message.max.bytes": 1024}, logger=logger),
            )
        return self._clients

    def _ends(
        self, admin: AdminClient, places: Sequence[tuple[str, int]], which: str
    ) -> dict[tuple[str, int], int]:
        spec = OffsetSpec.earliest() if which == "earliest" else OffsetSpec.latest()
        asked = {TopicPartition(*place): spec for place in places}
        if not asked:
            return {}
        found = self._call(admin.list_offsets, asked, request_timeout=self._server.timeout)
        return {(part.topic, part.partition): self._result(future).offset for part, future in found.items()}

    def _result(self, future: "Future[T]") -> T:
        try:
            return future.result(self._server.timeout)
        except FutureTimeoutError:
            raise ClusterError("timeout", f"no answer within {self._server.timeout:g} s") from None
        except KafkaException as error:
            raise _refused(error) from error

    @staticmethod
    def _call(ask: Any, *arguments: Any, **options: Any) -> Any:
        try:
            return ask(*arguments, **options)
        except KafkaException as error:
            raise _refused(error) from error


def _refused(error: KafkaException) -> ClusterError:
    told = error.args[0]
    return ClusterError(_REASONS.get(told.name(), "other"), told.str())
