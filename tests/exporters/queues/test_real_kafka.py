"""Consumer groups of a real Kafka broker."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # they are public
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from specter_core.clock import SystemClock
from specter_exporters.queues.confluent_cluster import ConfluentCluster
from specter_exporters.queues.kafka import KafkaServer, KafkaSource
from specter_exporters.queues.model import Problem, Queue, Told
from tests.exporters.queues.asking import asking, found, reason
from tests.servers.kafka import PASSWORD, USER, KafkaProcess, running_kafka

pytestmark = [pytest.mark.integration, pytest.mark.prove]
WITHIN = 30.0
THEN = 1_700_000_000.0
"""When the first message of each topic was written, unix seconds."""
FOREVER = {"retention.ms": "-1"}
MISSING = "Broker: Unknown topic or partition"


class Kafka:
    """A broker, and what tests do with it."""

    def __init__(self, server: KafkaProcess) -> None:
        self.server = server
        self.admin = AdminClient({"bootstrap.servers": server.address, "log_level": 0})

    def topic(self, name: str, partitions: int = 1, **settings: str) -> None:
        """Make a topic that keeps what is old."""
        config = {**FOREVER, **{key.replace("_", "."): value for key, value in settings.items()}}
        self.admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(WITHIN)

    def write(
        self, topic: str, count: int, partition: int = 0, *, begin: float = THEN, key: str = ""
    ) -> None:
        """Write messages of which each is a second younger than the one before."""
        producer = Producer({"bootstrap.servers": self.server.address, "log_level": 0})
        for number in range(count):
            moment = int((begin + number) * 1000)
            producer.produce(topic, b"x", key=key or None, partition=partition, timestamp=moment)
        assert producer.flush(WITHIN) == 0

    def commit(self, group: str, topic: str, *offsets: int) -> None:
        """Commit an offset of each of a topic's first partitions."""
        with self.consumer(group) as consumer:
            places = [TopicPartition(topic, number, offset) for number, offset in enumerate(offsets)]
            consumer.commit(offsets=places, asynchronous=False)

    @contextmanager
    def consumer(self, group: str, **more: str) -> Iterator[Consumer]:
        """Yield a consumer of a group, which reads from the beginning and commits when it is told to."""
        options = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest", **more}
        with closing(Consumer({"bootstrap.servers": self.server.address, "log_level": 0, **options})) as each:
            yield each

    def allow(self, kind: ResourceType, name: str, operation: AclOperation) -> None:
        """Give the user of the listener with a password a right."""
        rule = AclBinding(
            kind,
            name,
            ResourcePatternType.LITERAL,
            f"User:{USER}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        self.admin.create_acls([rule])[rule].result(WITHIN)


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    with running_kafka() as server:
        yield Kafka(server)


@pytest.fixture
def name() -> str:
    """A name for a topic, and for its group, that no other test has."""
    return f"mail-{uuid.uuid4().hex[:8]}"


def told_of(server: KafkaServer) -> Told:
    """Ask once, as soon as the group's coordinator is there."""
    with source(server) as each:
        return each.ask()


@contextmanager
def source(server: KafkaServer) -> Iterator[KafkaSource]:
    with closing(KafkaSource(server, ConfluentCluster(server), SystemClock())) as each:
        yield each


def server_of(kafka: Kafka, groups: Mapping[str, Sequence[str]]) -> KafkaServer:
    named = {group: tuple(topics) for group, topics in groups.items()}
    return KafkaServer("main", (kafka.server.address,), named)


def queues(told: Told) -> dict[str, Queue]:
    [outcome] = told.outcomes
    return {queue.name: queue for queue in outcome.answer.queues}


def problem(told: Told) -> Problem | None:
    [outcome] = told.outcomes
    return outcome.problem


def until(question: Callable[[], bool]) -> None:
    """Wait for what a broker does in its own time."""
    deadline = time.monotonic() + WITHIN
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def one(kafka: Kafka, name: str, topics: Sequence[str] | None = None) -> Queue:
    """Return the queue of the group and the topic of a test, of which all is told."""
    told = told_of(server_of(kafka, {name: [name] if topics is None else topics}))
    assert (told.problem, problem(told)) == (None, None)
    return queues(told)[f"{name}/{name}"]


def test_lag_in_messages_and_in_time_with_members_and_without(kafka: Kafka, name: str) -> None:
    kafka.topic(name, partitions=3)
    kafka.write(name, 10)
    kafka.write(name, 5, partition=1, begin=THEN + 100)
    # Of the third, which is empty, nothing was committed.
    kafka.commit(name, name, 4, 5)
    queue = one(kafka, name)
    assert (queue.ready, queue.oldest, queue.consumers) == (6, THEN + 4, None)
    assert queue.totals == {"arrived": 15, "completed": 9}
    assert one(kafka, name, topics=[]) == queue
    with kafka.consumer(name) as consumer:
        consumer.subscribe([name])
        until(lambda: consumer.poll(0.1) is not None)
        assert one(kafka, name).consumers == 1
    # Before, it may have been one whose consumers assign partitions to themselves.
    until(lambda: one(kafka, name).consumers == 0)


@pytest.mark.parametrize(
    "options",
    [
        {"group.protocol": "consumer"},
        {"partition.assignment.strategy": "cooperative-sticky", "group.instance.id": "one"},
    ],
    ids=["KIP-848", "cooperative and static"],
)
def test_members_of_each_kind_of_group_are_counted(kafka: Kafka, name: str, options: dict[str, str]) -> None:
    kafka.topic(name)
    kafka.write(name, 3)
    with kafka.consumer(name, **options) as consumer:
        consumer.subscribe([name])
        until(lambda: consumer.poll(0.1) is not None)
        consumer.commit(offsets=[TopicPartition(name, 0, 1)], asynchronous=False)
        queue = one(kafka, name)
    assert (queue.ready, queue.oldest, queue.consumers) == (2, THEN + 1, 1)


def test_the_age_in_a_thousand_partitions_is_known_in_time(kafka: Kafka, name: str) -> None:
    kafka.topic(name, partitions=1000)
    kafka.commit(name, name, *[0] * 1000)
    producer = Producer({"bootstrap.servers": kafka.server.address, "log_level": 0})
    for number in range(1000):
        producer.produce(name, b"x" * 3000, partition=number, timestamp=int((THEN + number) * 1000))
    assert producer.flush(WITHIN) == 0
    queue = one(kafka, name)
    assert (queue.ready, queue.oldest) == (1000, THEN)


def test_what_was_not_committed_is_unknown(kafka: Kafka, name: str) -> None:
    kafka.topic(name, partitions=2)
    kafka.write(name, 3, partition=1)
    kafka.commit(name, name, 0)
    queue = one(kafka, name)
    assert (queue.ready, queue.oldest, queue.totals) == (None, None, {"arrived": 3})


def test_a_topic_that_is_not_there_is_missed_and_not_made(kafka: Kafka, name: str) -> None:
    told = told_of(server_of(kafka, {name: [name]}))
    assert (told.problem, queues(told)) == (None, {})
    assert problem(told) == Problem("missing", f"{name}/{name}: {MISSING}")
    assert name not in kafka.admin.list_topics(timeout=WITHIN).topics


def test_a_topic_that_was_deleted_and_made_anew_has_no_lag_until_something_is_committed(
    kafka: Kafka, name: str
) -> None:
    kafka.topic(name)
    kafka.write(name, 10)
    kafka.commit(name, name, 7)
    with source(server_of(kafka, {name: [name]})) as asked:
        assert queues(asked.ask())[f"{name}/{name}"].ready == 3
        kafka.admin.delete_topics([name])[name].result(WITHIN)
        until(lambda: problem(asked.ask()) == Problem("missing", f"{name}/{name}: {MISSING}"))
        kafka.topic(name)
        kafka.write(name, 2)
        until(lambda: f"{name}/{name}" in queues(asked.ask()))
        queue = queues(asked.ask())[f"{name}/{name}"]
        # Its offsets went with it; had they not, they would lie beyond the end.
        assert (queue.ready, queue.oldest, queue.totals) == (None, None, {"arrived": 2})
        kafka.commit(name, name, 7)
        assert queues(asked.ask())[f"{name}/{name}"].ready is None
        kafka.commit(name, name, 1)
        assert queues(asked.ask())[f"{name}/{name}"].ready == 1


def test_what_was_deleted_before_it_was_read_is_not_to_be_read_any_more(kafka: Kafka, name: str) -> None:
    kafka.topic(name)
    kafka.write(name, 10)
    kafka.commit(name, name, 2)
    for beginning, ready, oldest in ((8, 2, THEN + 8), (10, 0, None)):
        deleted = kafka.admin.delete_records([TopicPartition(name, 0, beginning)])
        for future in deleted.values():
            future.result(WITHIN)
        queue = one(kafka, name)
        assert (queue.ready, queue.oldest, queue.totals["completed"]) == (ready, oldest, 2)


def test_marks_of_transactions_do_not_wait_and_a_transaction_that_is_open_does(
    kafka: Kafka, name: str
) -> None:
    kafka.topic(name)
    options = {"bootstrap.servers": kafka.server.address, "transactional.id": name, "log_level": 0}
    producer = Producer(options)
    producer.init_transactions(WITHIN)

    def write(moment: float) -> None:
        producer.begin_transaction()
        for _ in range(2):
            producer.produce(name, b"x", partition=0, timestamp=int(moment * 1000))
        producer.flush(WITHIN)

    write(THEN)
    producer.commit_transaction(WITHIN)
    kafka.commit(name, name, 0)
    # Two messages, and a mark: an upper bound.
    assert (one(kafka, name).ready, one(kafka, name).oldest) == (3, THEN)
    kafka.commit(name, name, 2)
    queue = one(kafka, name)
    assert (queue.ready, queue.oldest, queue.totals) == (0, None, {"arrived": 3, "completed": 2})
    write(THEN + 50)
    # Who reads what is committed waits for it; it stands still if it is never ended.
    assert (one(kafka, name).ready, one(kafka, name).oldest) == (3, THEN + 50)
    producer.abort_transaction(WITHIN)
    with kafka.consumer(name) as consumer:
        consumer.subscribe([name])
        until(lambda: consumer.poll(0.1) is None and _at(consumer, name) == 6)
        consumer.commit(asynchronous=False)
    assert one(kafka, name).ready == 0


def _at(consumer: Consumer, topic: str) -> int:
    return int(consumer.position([TopicPartition(topic, 0)])[0].offset)


def test_gaps_that_compaction_leaves_count_as_messages_and_the_age_is_of_the_first_that_is_left(
    kafka: Kafka, name: str
) -> None:
    kafka.topic(
        name,
        cleanup_policy="compact",
        segment_ms="100",
        min_cleanable_dirty_ratio="0.01",
        max_compaction_lag_ms="100",
    )
    kafka.write(name, 10, key="a")
    kafka.commit(name, name, 2)

    def compacted() -> bool:
        # Each message may end a segment, and what is in the last one is never compacted.
        kafka.write(name, 1, key="b", begin=THEN + 1000)
        return one(kafka, name).oldest == THEN + 9

    until(compacted)
    queue = one(kafka, name)
    assert queue.ready == queue.totals["arrived"] - 2


def test_a_hundred_heads_are_looked_at_in_the_time_of_one_answer(kafka: Kafka, name: str) -> None:
    kafka.topic(name, partitions=50)
    for number in range(50):
        kafka.write(name, 3, number, begin=THEN + number)
    first, second = f"{name}-1", f"{name}-2"
    kafka.commit(first, name, *[0] * 50)
    kafka.commit(second, name, *[1] * 50)
    told = told_of(server_of(kafka, {first: [name], second: [name]}))
    assert problem(told) is None
    asked = {queue: (each.ready, each.oldest) for queue, each in queues(told).items()}
    assert asked == {f"{first}/{name}": (150, THEN), f"{second}/{name}": (100, THEN + 1)}


def test_a_password_is_read_anew_until_it_is_right_and_each_right_is_missed_by_name(
    kafka: Kafka, name: str, tmp_path: Path
) -> None:
    kafka.topic(name)
    kafka.write(name, 3)
    kafka.commit(name, name, 1)
    password = tmp_path / "password"
    server = KafkaServer(
        "main",
        (kafka.server.sasl_address,),
        {name: (name,)},
        {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "sasl.username": USER},
        password,
    )
    with source(server) as asked:
        told = asked.ask()
        assert told.problem is not None
        assert (told.problem.reason, str(password) in told.problem.message) == ("auth", True)
        password.write_text("hunter2\n")
        told = asked.ask()
        assert told.problem is not None
        assert (told.problem.reason, "hunter2" in told.problem.message) == ("auth", False)
        assert "Authentication failed: Invalid username or password" in told.problem.message
        password.write_text(f"{PASSWORD}\n")
        assert asked.ask().problem == Problem("privilege", "Broker: Topic authorization failed")
        kafka.allow(ResourceType.TOPIC, name, AclOperation.DESCRIBE)
        until(lambda: "Group authorization failed" in str(asked.ask().problem))
        kafka.allow(ResourceType.GROUP, name, AclOperation.DESCRIBE)
        until(lambda: asked.ask().problem is None)
        told = asked.ask()
        assert (queues(told)[f"{name}/{name}"].ready, queues(told)[f"{name}/{name}"].oldest) == (2, None)
        assert f"the message at 1 of {name}/0: " in str(problem(told))
        kafka.allow(ResourceType.TOPIC, name, AclOperation.READ)
        until(lambda: problem(asked.ask()) is None)
        queue = queues(asked.ask())[f"{name}/{name}"]
        assert (queue.ready, queue.oldest, queue.consumers) == (2, THEN + 1, None)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"security.protocol": "SSL"}, "tls"),
        ({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "NONE"}, "other"),
    ],
)
def test_what_a_connection_lacks_is_told(
    kafka: Kafka, name: str, options: Mapping[str, str], why: str
) -> None:
    server = KafkaServer("main", (kafka.server.address,), {name: ()}, options, timeout=1.0)
    told = told_of(server)
    assert told.problem is not None
    assert told.problem.reason == why


def test_a_broker_that_was_killed_is_down_and_is_there_again_when_it_is(kafka: Kafka, name: str) -> None:
    kafka.topic(name)
    kafka.write(name, 3)
    kafka.commit(name, name, 1)
    server = server_of(kafka, {name: [name]})
    with asking(server) as scrape:
        before = scrape()
        assert found(before, "ready") == {(f"{name}/{name}", "kafka"): 2}
        kafka.server.kill()
        for _ in range(2):
            down = scrape()
            assert (found(down, "up"), reason(down), found(down, "ready")) == ({(): 0}, ["refused"], {})
        with asking(server) as started:
            assert reason(started()) == ["refused"]
            kafka.server.start()
            for each in (scrape, started):
                until(lambda each=each: not reason(each()))  # type: ignore[misc]
                again = each()
                assert found(again, "ready") == found(before, "ready")
                assert found(again, "oldest_timestamp_seconds") == found(before, "oldest_timestamp_seconds")
