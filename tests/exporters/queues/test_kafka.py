"""Consumer groups of Kafka: by a cluster of the test's own, and by librdkafka's mock of a broker."""

from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, Producer, TopicPartition

from specter_core.clock import SystemClock
from specter_exporters.queues.confluent_cluster import ConfluentCluster
from specter_exporters.queues.kafka import ClusterError, KafkaServer, KafkaSource, Partition
from specter_exporters.queues.model import Queue, Told
from tests.servers.prometheus import free_port


class FakeCluster:
    """Answers what it is told."""

    def __init__(self, groups: Mapping[str, Sequence[Partition] | ClusterError]) -> None:
        self.groups = groups
        self.asked: list[tuple[str, int, int]] = []

    def partitions(self, group: str, topics: Sequence[str]) -> Sequence[Partition]:
        answer = self.groups[group]
        if isinstance(answer, ClusterError):
            raise answer
        return answer

    def members(self, group: str) -> int:
        return 2

    def written(self, topic: str, partition: int, offset: int) -> float | None:
        self.asked.append((topic, partition, offset))
        return None if topic == "old" else 1_700_000_000.0 + offset

    def close(self) -> None:
        """Nothing is open."""


def told(**groups: Sequence[Partition] | ClusterError) -> tuple[Told, FakeCluster]:
    cluster = FakeCluster(groups)
    server = KafkaServer("main", ("127.0.0.1:9092",), dict.fromkeys(groups, ()))
    return KafkaSource(server, cluster, SystemClock()).ask(), cluster


def queues(answer: Told) -> dict[str, Queue]:
    return {queue.name: queue for outcome in answer.outcomes for queue in outcome.answer.queues}


def test_a_group_is_behind_by_messages_and_since_the_oldest_that_it_has_not_read() -> None:
    answer, cluster = told(
        mailers=[
            Partition("mail", 0, 40, 0, 100),
            Partition("mail", 1, 90, 0, 90),
            Partition("log", 0, 5, 9, 12),
        ]
    )
    mail, log = queues(answer)["mailers/mail"], queues(answer)["mailers/log"]
    assert (mail.ready, mail.oldest, mail.consumers) == (60, 1_700_000_040, 2)
    assert mail.totals == {"arrived": 190, "completed": 130}
    # What retention has deleted is not to be read any more.
    assert (log.ready, log.oldest) == (3, 1_700_000_009)
    # Nobody is asked for a message of a partition that is read.
    assert cluster.asked == [("log", 0, 9), ("mail", 0, 40)]


def test_where_nothing_was_committed_the_lag_is_unknown_and_not_0() -> None:
    answer, _ = told(mailers=[Partition("mail", 0, 40, 0, 40), Partition("mail", 1, None, 0, 7)])
    mail = queues(answer)["mailers/mail"]
    assert (mail.ready, mail.oldest, mail.totals) == (None, None, {"arrived": 47})


def test_a_message_without_a_time_makes_the_age_unknown() -> None:
    answer, _ = told(mailers=[Partition("old", 0, 1, 0, 9)])
    assert (queues(answer)["mailers/old"].ready, queues(answer)["mailers/old"].oldest) == (8, None)


def test_a_group_that_is_refused_costs_itself_and_a_cluster_that_is_gone_everything() -> None:
    answer, _ = told(a=ClusterError("privilege", "no"), b=[Partition("mail", 0, 1, 0, 1)])
    assert list(queues(answer)) == ["b/mail"]
    [outcome] = answer.outcomes
    assert outcome.problem is not None
    assert (outcome.problem.reason, outcome.problem.message) == ("privilege", "a: no")
    answer, _ = told(a=ClusterError("timeout", "no answer"))
    assert answer.problem is not None
    assert (answer.problem.reason, answer.outcomes) == ("timeout", ())


def test_librdkafkas_mock_of_a_broker_is_asked_for_lag_in_messages_and_in_time() -> None:
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    [broker] = producer.list_topics(timeout=10).brokers.values()
    address = f"{broker.host}:{broker.port}"
    for number in range(10):
        producer.produce("mail", b"x", partition=0, timestamp=1_700_000_000_000 + 1000 * number)
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": address, "group.id": "mailers", "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition("mail", 0, 4)], asynchronous=False)
    cluster = ConfluentCluster(KafkaServer("main", (address,), {"mailers": ("mail",)}))
    try:
        parts = {part.number: part for part in cluster.partitions("mailers", ["mail"])}
        assert parts[0] == Partition("mail", 0, 4, 0, 10)
        assert all(part.committed is None for number, part in parts.items() if number)
        assert cluster.written("mail", 0, 4) == 1_700_000_004
    finally:
        cluster.close()
        consumer.close()


def test_brokers_that_are_not_there_are_told_within_the_time_out() -> None:
    server = KafkaServer("main", (f"127.0.0.1:{free_port()}",), {"mailers": ("mail",)}, timeout=0.3)
    source = KafkaSource(server, ConfluentCluster(server), SystemClock())
    try:
        answer = source.ask()
    finally:
        source.close()
    assert answer.problem is not None
    assert answer.problem.reason in {"refused", "timeout"}
