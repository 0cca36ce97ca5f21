"""Tasks for later that workers hold, as their events tell, by times of the test's own."""

from specter_exporters.queues.celery_events import CeleryEvents
from specter_exporters.queues.celery_held import MOST_HELD, HeldTasks
from specter_exporters.queues.celery_workers import CeleryWorkers
from specter_exporters.queues.model import Problem, Queue
from tests.exporters.queues.test_celery_events import Clock, beat

LATER, AFTER = "2001-09-09T02:46:40+00:00", "2001-09-09T03:46:40"
"""An hour after the clock's unix time of 1e9, and two."""


def received(held: HeldTasks, worker: str, task: str, eta: object = None) -> None:
    held.task("task-received", worker, task, eta)


def test_a_worker_that_was_heard_from_its_start_holds_what_it_received_and_did_not_start() -> None:
    held = HeldTasks()
    held.started("a")
    assert held.scheduled(["a"], 1e9) is None
    for task, eta in (("1", LATER), ("2", AFTER), ("3", None), ("4", "soon"), ("5", LATER)):
        received(held, "a", task, eta)
    assert held.scheduled(["a"], 1e9) == ["1", "2", "5"]
    held.task("task-revoked", "a", "5", None)
    held.task("task-retried", "a", "2", None)
    assert held.scheduled(["a"], 1e9) == ["1", "2"]
    # What is due is in progress, also where it was not started yet.
    assert held.scheduled(["a"], 1e9 + 3600) == ["2"]


def test_of_a_worker_that_had_begun_before_or_tells_of_no_task_it_is_not_known() -> None:
    held = HeldTasks()
    received(held, "a", "1", LATER)
    assert held.scheduled(["a"], 1e9) is None
    held.started("a")
    received(held, "a", "2", LATER)
    assert held.scheduled(["a"], 1e9) == ["2"]
    held.started("b")
    assert held.scheduled(["a", "b"], 1e9) is None
    assert held.scheduled([], 1e9) is None


def test_what_a_worker_held_that_is_gone_or_anew_is_held_by_whom_receives_it() -> None:
    held = HeldTasks()
    for worker in "ab":
        held.started(worker)
        received(held, worker, worker, LATER)
    received(held, "b", "a", LATER)
    held.ended("a")
    assert held.scheduled(["b"], 1e9) == ["b", "a"]
    held.started("b")
    received(held, "b", "c")
    assert held.scheduled(["b"], 1e9) == []


def test_what_was_missed_or_is_too_much_leaves_it_unknown() -> None:
    held = HeldTasks()
    held.started("a")
    for number in range(MOST_HELD):
        received(held, "a", str(number), LATER)
    assert len(held.scheduled(["a"], 1e9) or ()) == MOST_HELD
    received(held, "a", "one more", LATER)
    assert held.scheduled(["a"], 1e9) is None


class Silent:
    """A listener that nobody starts."""

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


def test_queues_are_told_with_what_is_for_later_apart_from_what_is_in_progress() -> None:
    clock = Clock()
    clock.now = 0.0
    events = CeleryEvents("rabbitmq", clock)
    workers = CeleryWorkers("/", events, Silent(), 9)
    queues = {name: Queue("rabbitmq", name, ready=1, in_progress=3) for name in ("mail", "other")}

    def told(name: str) -> tuple[float | None, float | None, float | None]:
        queue = workers.outcomes(queues, "rabbitmq", "")[name]
        return queue.in_progress, queue.scheduled, queue.depth

    events.listening()
    events.take(beat("a", "worker-online"))
    events.take({"type": "task-sent", "hostname": "web", "uuid": "1", "queue": "mail"})
    assert told("mail") == (3, None, 4)
    events.take({"type": "task-received", "hostname": "a", "uuid": "1", "eta": LATER})
    assert told("mail") == (2, 1, 4)
    assert (
        workers.outcomes({"late": Queue("rabbitmq", "late", scheduled=5)}, "rabbitmq", "")["late"].scheduled
        == 5
    )
    # Nobody has told of it: it may not be Celery's.
    assert told("other") == (3, None, 4)
    events.take({"type": "task-received", "hostname": "a", "uuid": "2", "eta": LATER})
    assert told("mail") == (3, None, 4)
    events.deaf(Problem("timeout", "silence"))
    events.listening()
    events.take(beat("a"))
    assert told("mail") == (3, None, 4)
