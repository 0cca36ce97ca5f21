"""What Celery's events say, by a clock of the test's own."""

import base64
import json

from specter_exporters.queues.model import Problem
from specter_exporters.queues.on_redis.celery_events import CeleryEvents, events_of


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now + 1e9

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def beat(host: str, kind: str = "worker-heartbeat", **more: object) -> dict[str, object]:
    return {"type": kind, "hostname": host, "freq": 2.0, "active": 0, **more}


def states(events: CeleryEvents) -> dict[str, str] | None:
    workers = events.workers()
    return None if workers is None else {worker.name: worker.state for worker in workers}


def test_nobody_is_known_until_it_was_listened_for_long_enough() -> None:
    clock = Clock()
    events = CeleryEvents(clock)
    assert states(events) is None
    events.listening()
    assert states(events) is None
    clock.sleep(11)
    assert states(events) == {}


def test_a_worker_is_busy_idle_lost_forgotten_or_gone_as_it_said() -> None:
    clock = Clock()
    events = CeleryEvents(clock)
    events.listening()
    events.take(beat("a", active=1))
    events.take(beat("b"))
    events.take(beat("c"))
    assert states(events) == {"a": "busy", "b": "idle", "c": "idle"}
    events.take(beat("c", "worker-offline"))
    clock.sleep(5)
    events.take(beat("b"))
    clock.sleep(2)
    assert states(events) == {"a": "lost", "b": "idle"}
    clock.sleep(3594)
    assert states(events) == {"b": "lost"}


def test_while_nothing_is_heard_nobody_is_lost_and_nothing_is_known() -> None:
    clock = Clock()
    events = CeleryEvents(clock)
    events.listening()
    events.take(beat("a"))
    events.deaf(Problem("refused", "gone"))
    clock.sleep(600)
    assert states(events) is None
    assert events.problem() == Problem("refused", "gone")
    events.listening()
    assert states(events) == {"a": "idle"}
    clock.sleep(7)
    assert states(events) == {"a": "lost"}


def test_tasks_are_of_the_queue_that_was_told_or_of_the_only_one() -> None:
    events = CeleryEvents(Clock())
    assert events.counts(["mail"]) == {}
    events.take({"type": "task-sent", "uuid": "1", "queue": "mail", "hostname": "web"})
    assert events.counts(["mail"]) == {}
    events.take({"type": "task-failed", "uuid": "1", "hostname": "a"})
    events.take({"type": "task-retried", "uuid": "2", "hostname": "a"})
    zero = {"completed": 0, "failed": 0, "retried": 0}
    assert events.counts(["mail"]) == {"mail": {**zero, "failed": 1, "retried": 1}}
    # A further queue takes nothing from the first, and what is not told from now on is of neither.
    assert events.counts(["mail", "slow"]) == {"mail": {**zero, "failed": 1, "retried": 1}, "slow": zero}
    events.take({"type": "task-retried", "uuid": "3", "hostname": "a"})
    assert events.counts(["mail", "slow"]) == {
        "mail": {**zero, "failed": 1, "retried": 1},
        "slow": zero,
        "unknown": {**zero, "retried": 1},
    }


def test_tasks_before_the_queues_were_found_are_of_the_only_one() -> None:
    events = CeleryEvents(Clock())
    events.take({"type": "task-sent", "uuid": "1", "queue": "mail", "hostname": "web"})
    for uuid in ("1", "2"):
        events.take({"type": "task-failed", "uuid": uuid, "hostname": "a"})
    assert events.counts(["mail"])["mail"]["failed"] == 2
    # What was told of a queue that is gone is not told of another one.
    assert events.counts(["next"]) == {"next": {"completed": 0, "failed": 0, "retried": 0}}


def test_failures_are_told_by_the_name_that_workers_receive_a_task_with() -> None:
    events = CeleryEvents(Clock())
    events.take({"type": "task-received", "uuid": "1", "name": "shop.mail", "hostname": "a"})
    for uuid in ("1", "1", "2"):
        events.take({"type": "task-failed", "uuid": uuid, "hostname": "a"})
    assert events.failures() == {"shop.mail": 2, "unknown": 1}
    for number in range(200):
        events.take({"type": "task-received", "uuid": f"n{number}", "name": f"t{number}", "hostname": "a"})
        events.take({"type": "task-failed", "uuid": f"n{number}", "hostname": "a"})
    assert len(events.failures()) == 101
    assert events.failures()["other"] == 102


def test_what_is_no_event_is_left_out() -> None:
    events = CeleryEvents(Clock())
    events.listening()
    for each in (
        {},
        {"type": 1, "hostname": "a"},
        {"type": "worker-heartbeat"},
        beat("a", freq="x", active=[]),
    ):
        events.take(each)
    assert states(events) == {"a": "idle"}


def test_messages_of_kombu_hold_one_event_or_many() -> None:
    def message(body: object, encoding: str = "base64") -> bytes:
        text = json.dumps(body)
        if encoding == "base64":
            text = base64.b64encode(text.encode()).decode()
        return json.dumps({"body": text, "properties": {"body_encoding": encoding}}).encode()

    assert list(events_of(message({"type": "a"}))) == [{"type": "a"}]
    assert list(events_of(message([{"type": "a"}, 5, {"type": "b"}]))) == [{"type": "a"}, {"type": "b"}]
    assert list(events_of(message({"type": "a"}, "none"))) == [{"type": "a"}]
    for damaged in (b"", b"[]", b"{}", b'{"body": 5}', b'{"body": "%"}', message("text")):
        assert list(events_of(damaged)) == []
