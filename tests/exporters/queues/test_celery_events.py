"""What Celery's events say, by a clock of the test's own."""

import base64
import json

from specter_exporters.queues.celery_events import CeleryEvents
from specter_exporters.queues.model import Problem
from specter_exporters.queues.on_redis.celery_channel import events_of


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
    events = CeleryEvents("celery", clock)
    assert states(events) is None
    events.listening()
    assert states(events) is None
    clock.sleep(11)
    assert states(events) == {}


def test_a_worker_is_busy_idle_lost_forgotten_or_gone_as_it_said() -> None:
    clock = Clock()
    events = CeleryEvents("celery", clock)
    events.listening()
    events.take(beat("a", active=1))
    events.take(beat("b"))
    events.take(beat("c"))
    assert states(events) == {"a": "busy", "b": "idle", "c": "idle"}
    events.take(beat("c", "worker-offline"))
    clock.sleep(5)
    events.take(beat("b"))
    clock.sleep(2)
    # Silence is the worker's own only where the broker has said something since.
    assert states(events) == {"a": "busy", "b": "idle"}
    events.alive(clock.now)
    assert states(events) == {"a": "lost", "b": "idle"}
    clock.sleep(3594)
    events.alive(clock.now)
    assert states(events) == {"b": "lost"}


def test_while_nothing_is_heard_nobody_is_lost_and_nothing_is_known() -> None:
    clock = Clock()
    events = CeleryEvents("celery", clock)
    events.listening()
    events.take(beat("a"))
    events.deaf(Problem("refused", "gone"))
    clock.sleep(600)
    assert states(events) is None
    assert events.problem() == Problem("connection", "gone")
    events.listening()
    assert events.problem() is None
    # It may have died meanwhile, or not have had the time to say that it lives.
    assert states(events) is None
    clock.sleep(7)
    events.alive(clock.now)
    assert states(events) == {"a": "lost"}
    events.take(beat("a"))
    events.deaf(Problem("refused", "gone"))
    events.listening()
    assert states(events) == {"a": "idle"}


def test_a_broker_that_says_nothing_leaves_unknown_who_lives() -> None:
    clock = Clock()
    events = CeleryEvents("celery", clock)
    clock.sleep(21)
    assert events.problem() == Problem("timeout", "nothing was heard for 20 s")
    events.listening()
    events.take(beat("a"))
    clock.sleep(19)
    assert (states(events), events.problem()) == ({"a": "idle"}, None)
    clock.sleep(2)
    assert (states(events), events.problem()) == (None, Problem("timeout", "nothing was heard for 20 s"))


def test_what_is_no_event_is_said_for_a_minute_and_nobody_is_not_taken_for_no_worker() -> None:
    clock = Clock()
    events = CeleryEvents("celery", clock)
    events.listening()
    events.message([])
    clock.sleep(15)
    events.alive(clock.now)
    problem = events.problem()
    assert problem is not None
    assert (problem.reason, "expected JSON" in problem.message) == ("other", True)
    assert states(events) is None
    events.message([beat("a")])
    assert states(events) == {"a": "idle"}
    events.message([{"type": 5}])
    clock.sleep(61)
    events.message([beat("a")])
    assert events.problem() is None


def test_made_up_names_are_bounded_and_said_and_can_be_shown() -> None:
    events = CeleryEvents("celery", Clock())
    events.listening()
    # Half of a character, which JSON may hold and no scrape can.
    events.take(beat("\ud800" + "x" * 500))
    events.take({"type": "task-failed", "uuid": "1", "hostname": "a", "name": "\udfff"})
    assert events.failures() == {"?": 1}
    for number in range(3000):
        events.take(beat(f"worker {number}"))
    workers = events.workers() or ()
    assert (len(workers), workers[0].name) == (2000, "?" + "x" * 199)
    problem = events.problem()
    assert problem is not None
    assert problem.message == "more than 2000 workers tell of themselves; the rest is left out"


def test_tasks_are_of_the_queue_that_was_told_or_of_the_only_one() -> None:
    events = CeleryEvents("celery", Clock())
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
    events = CeleryEvents("celery", Clock())
    events.take({"type": "task-sent", "uuid": "1", "queue": "mail", "hostname": "web"})
    for uuid in ("1", "2"):
        events.take({"type": "task-failed", "uuid": uuid, "hostname": "a"})
    assert events.counts(["mail"])["mail"]["failed"] == 2
    # What was told of a queue that is gone is not told of another one.
    assert events.counts(["next"]) == {"next": {"completed": 0, "failed": 0, "retried": 0}}


def test_failures_are_told_by_the_name_that_workers_receive_a_task_with() -> None:
    events = CeleryEvents("celery", Clock())
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
    events = CeleryEvents("celery", Clock())
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
