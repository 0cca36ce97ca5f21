"""Consumer groups of Kafka: by a cluster of the test's own, and by librdkafka's mock of a broker.

`test_real_kafka` asks a real one.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from types import SimpleNamespace

import pytest
from confluent_kafka import OFFSET_INVALID, Consumer, Producer, TopicPartition

from specter_core.clock import SystemClock
from specter_exporters.queues import confluent_cluster
from specter_exporters.queues.confluent_cluster import ConfluentCluster
from specter_exporters.queues.kafka import (
    ClusterError,
    Head,
    KafkaServer,
    KafkaSource,
    Next,
    Partition,
    Place,
)
from specter_exporters.queues.model import Problem, Queue, Told
from tests.servers.prometheus import free_port


class FakeCluster:
    """Answers what it is told: partitions of groups, and what is not a message."""

    def __init__(self, groups: Mapping[str, Sequence[Partition] | ClusterError]) -> None:
        self.groups = groups
        self.seen: dict[Head, Next | ClusterError] = {}
        self.looked: list[Head] = []

    def partitions(self, topics: Collection[str]) -> Mapping[str, Sequence[Place] | ClusterError]:
        places = [
            part.place
            for parts in self.groups.values()
            if not isinstance(parts, ClusterError)
            for part in parts
        ]
        found = {topic: [place for place in places if place.topic == topic] for topic in topics}
        return {topic: each or ClusterError("missing", "no such topic") for topic, each in found.items()}

    def all_partitions(self) -> Sequence[Place]:
        parts = [part for each in self.groups.values() if not isinstance(each, ClusterError) for part in each]
        return [part.place for part in parts]

    def committed(
        self, groups: Mapping[str, Sequence[Place]]
    ) -> Mapping[str, Mapping[Place, int | None] | ClusterError]:
        answers = {group: self.groups[group] for group in groups}
        return {
            group: each if isinstance(each, ClusterError) else {part.place: part.committed for part in each}
            for group, each in answers.items()
        }

    def members(self, groups: Collection[str]) -> Mapping[str, int]:
        return dict.fromkeys(groups, 2)

    def ends(self, places: Collection[Place]) -> Mapping[Place, tuple[int, int] | ClusterError]:
        parts = [part for each in self.groups.values() if not isinstance(each, ClusterError) for part in each]
        return {part.place: (part.low, part.high) for part in parts}

    def look(self, heads: Collection[Head]) -> Mapping[Head, Next | ClusterError]:
        self.looked = sorted(heads)
        return {head: self.seen.get(head, Next(True, 1_700_000_000.0 + head.offset)) for head in heads}

    def close(self) -> None:
        """Nothing is open."""


def mail(number: int, committed: int | None, low: int, high: int) -> Partition:
    return Partition(Place("mail", number), committed, low, high)


def asked(cluster: FakeCluster, topics: Sequence[str] = (), max_queues: int = 500) -> Told:
    groups = dict.fromkeys(cluster.groups, tuple(topics))
    server = KafkaServer("main", ("127.0.0.1:9092",), groups, max_queues=max_queues)
    return KafkaSource(server, cluster, SystemClock()).ask()


def told(**groups: Sequence[Partition] | ClusterError) -> Told:
    return asked(FakeCluster(groups))


def queues(answer: Told) -> dict[str, Queue]:
    return {queue.name: queue for outcome in answer.outcomes for queue in outcome.answer.queues}


def problem(answer: Told) -> Problem | None:
    [outcome] = answer.outcomes
    return outcome.problem


def test_a_group_is_behind_by_messages_and_since_the_oldest_that_it_has_not_read() -> None:
    cluster = FakeCluster(
        {"mailers": [mail(0, 40, 0, 100), mail(1, 90, 0, 90), Partition(Place("log", 0), 5, 9, 12)]}
    )
    answer = asked(cluster)
    sent, log = queues(answer)["mailers/mail"], queues(answer)["mailers/log"]
    assert (sent.ready, sent.oldest, sent.consumers) == (60, 1_700_000_040, 2)
    assert sent.totals == {"arrived": 190, "completed": 130}
    # What retention has deleted is not to be read any more.
    assert (log.ready, log.oldest) == (3, 1_700_000_009)
    # Nobody is asked for a message of a partition that is read.
    assert cluster.looked == [Head(Place("log", 0), 9), Head(Place("mail", 0), 40)]


def test_where_nothing_was_committed_the_lag_is_unknown_and_not_0() -> None:
    sent = queues(told(mailers=[mail(0, 40, 0, 40), mail(1, None, 0, 7)]))["mailers/mail"]
    assert (sent.ready, sent.oldest, sent.totals) == (None, None, {"arrived": 47})


def test_an_empty_partition_is_read_though_clients_commit_nothing_of_it() -> None:
    sent = queues(told(mailers=[mail(0, 40, 0, 42), mail(1, None, 7, 7)]))["mailers/mail"]
    assert (sent.ready, sent.totals) == (2, {"arrived": 49, "completed": 47})


def test_a_group_that_has_committed_more_than_there_is_has_an_unknown_lag() -> None:
    sent = queues(told(mailers=[mail(0, 40, 0, 3)]))["mailers/mail"]
    assert (sent.ready, sent.oldest, sent.totals) == (None, None, {"arrived": 3})


def test_a_message_without_a_time_makes_the_age_unknown() -> None:
    cluster = FakeCluster({"mailers": [mail(0, 1, 0, 9), mail(1, 1, 0, 2)]})
    cluster.seen[Head(Place("mail", 1), 1)] = Next(True)
    sent = queues(asked(cluster))["mailers/mail"]
    assert (sent.ready, sent.oldest) == (9, None)


def test_what_is_no_message_does_not_wait() -> None:
    cluster = FakeCluster({"mailers": [mail(0, 1, 0, 9), mail(1, 1, 0, 2)]})
    cluster.seen[Head(Place("mail", 1), 1)] = Next(False)
    sent = queues(asked(cluster))["mailers/mail"]
    assert (sent.ready, sent.oldest, sent.totals["completed"]) == (8, 1_700_000_001, 2)


def test_a_message_that_cannot_be_read_costs_the_age_and_is_told() -> None:
    cluster = FakeCluster({"mailers": [mail(0, 1, 0, 9)]})
    cluster.seen[Head(Place("mail", 0), 1)] = ClusterError("privilege", "no")
    answer = asked(cluster)
    assert (queues(answer)["mailers/mail"].ready, queues(answer)["mailers/mail"].oldest) == (8, None)
    assert problem(answer) == Problem("privilege", "the message at 1 of mail/0: no")


def test_a_group_that_is_refused_costs_itself_and_a_cluster_that_is_gone_everything() -> None:
    answer = told(a=ClusterError("privilege", "no"), b=[mail(0, 1, 0, 1)])
    assert list(queues(answer)) == ["b/mail"]
    assert problem(answer) == Problem("privilege", "a: no")
    answer = told(a=ClusterError("timeout", "no answer"), b=ClusterError("timeout", "no answer"))
    assert answer == Told(Problem("timeout", "no answer"))


def test_a_topic_or_a_group_that_is_not_there_is_missed_while_the_cluster_is_up() -> None:
    answer = asked(FakeCluster({"mailers": [mail(0, 1, 0, 1)]}), topics=["mail", "mial"])
    assert list(queues(answer)) == ["mailers/mail"]
    assert problem(answer) == Problem("missing", "mailers/mial: no such topic")
    answer = told(mailers=[])
    assert answer.problem is None
    assert problem(answer) == Problem(
        "missing", "mailers: has committed no offset, and no topics of it are configured"
    )


def test_topics_beyond_the_limit_are_counted_and_not_read() -> None:
    cluster = FakeCluster({"a": [mail(0, 1, 0, 2)], "b": [mail(0, 0, 0, 2)]})
    [outcome] = asked(cluster, max_queues=1).outcomes
    assert ([queue.name for queue in outcome.answer.queues], outcome.answer.dropped) == (["a/mail"], 1)
    assert cluster.looked == [Head(Place("mail", 0), 1)]


def test_librdkafkas_mock_of_a_broker_is_asked_for_lag_in_messages_and_in_time() -> None:
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "log_level": 0})
    [broker] = producer.list_topics(timeout=10).brokers.values()
    address = f"{broker.host}:{broker.port}"
    for number in range(10):
        producer.produce("mail", b"x", partition=0, timestamp=1_700_000_000_000 + 1000 * number)
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": address, "group.id": "mailers", "enable.auto.commit": False})
    consumer.commit(offsets=[TopicPartition("mail", 0, 4)], asynchronous=False)
    cluster = ConfluentCluster(KafkaServer("main", (address,), {"mailers": ()}))
    place = Place("mail", 0)
    try:
        assert cluster.committed({"mailers": [place]}) == {"mailers": {place: 4}}
        assert cluster.ends([place]) == {place: (0, 10)}
        heads = [Head(place, 4), Head(place, 7), Head(place, 10)]
        assert cluster.look(heads) == {
            heads[0]: Next(True, 1_700_000_004),
            heads[1]: Next(True, 1_700_000_007),
            heads[2]: Next(False),
        }
    finally:
        cluster.close()
        consumer.close()


def test_a_cluster_that_is_gone_is_asked_once_whatever_the_groups_are() -> None:
    class Gone(FakeCluster):
        def all_partitions(self) -> Sequence[Place]:
            raise ClusterError("refused", "nobody answers")

        def partitions(self, topics: Collection[str]) -> Mapping[str, Sequence[Place] | ClusterError]:
            raise AssertionError(topics)

    server = KafkaServer("main", ("127.0.0.1:1",), {"mailers": ("mail",), "others": ()})
    told = KafkaSource(server, Gone({}), SystemClock()).ask()
    assert told.problem == Problem("refused", "nobody answers")


def test_a_leader_that_does_not_answer_makes_the_lag_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        """What librdkafka says of a broker that was killed a moment ago."""

        def __init__(self, options: Mapping[str, object]) -> None:
            pass

        def poll(self, seconds: float) -> int:
            return 0

        def list_offsets(
            self, asked: Mapping[TopicPartition, object], *, request_timeout: float
        ) -> dict[TopicPartition, Future[SimpleNamespace]]:
            future = Future[SimpleNamespace]()
            future.set_result(SimpleNamespace(offset=OFFSET_INVALID))
            return dict.fromkeys(asked, future)

    monkeypatch.setattr(confluent_cluster, "AdminClient", Gone)
    place = Place("mail", 0)
    with closing(ConfluentCluster(KafkaServer("main", ("127.0.0.1:1",), {}))) as cluster:
        answer = cluster.ends([place])[place]
    assert isinstance(answer, ClusterError)
    assert (answer.reason, str(answer)) == ("timeout", "the partition's leader does not answer")


def test_brokers_that_are_not_there_are_told_with_the_reason_within_the_time_out() -> None:
    address = f"127.0.0.1:{free_port()}"
    server = KafkaServer("main", (address,), {"mailers": ("mail",), "others": ()}, timeout=0.5)
    source = KafkaSource(server, ConfluentCluster(server), SystemClock())
    try:
        answer = source.ask()
    finally:
        source.close()
    assert answer.problem is not None
    assert answer.problem.reason == "refused"
    assert (
        f"{address}/bootstrap: Connect to ipv4#{address} failed: Connection refused" in answer.problem.message
    )
