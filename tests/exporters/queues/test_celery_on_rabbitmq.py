"""Real workers of Celery's on a real RabbitMQ: killed, without their broker, heard by exporters that end."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from specter_exporters.queues.celery_exchange import CeleryBroker
from specter_exporters.queues.ledger import Ledger
from specter_exporters.queues.rabbitmq import RabbitServer
from tests.exporters.queues.asking import Scrape, asking, failing, found, reason
from tests.exporters.queues.celery_running import APP, publish, worker
from tests.exporters.serving import exporter, samples, stopped, until
from tests.servers.rabbitmq import PASSWORD, USER, RabbitProcess, running_rabbitmq

pytestmark = [pytest.mark.integration, pytest.mark.prove]
SYSTEM = "rabbitmq"
MAIL, URGENT = ("mail", SYSTEM), ("urgent", SYSTEM)


@pytest.fixture(scope="module")
def running() -> Iterator[RabbitProcess]:
    with running_rabbitmq() as server:
        yield server


@pytest.fixture
def rabbit(running: RabbitProcess) -> RabbitProcess:
    """Return a broker without queues."""
    for queue in running.queues():
        running.call("DELETE", f"queues/%2f/{queue['name']}")
    return running


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text(PASSWORD)
    return tmp_path / "secret"


def heard(rabbit: RabbitProcess, secret: Path) -> CeleryBroker:
    return CeleryBroker(f"amqp://{USER}@127.0.0.1:{rabbit.amqp_port}/", secret)


def watched(rabbit: RabbitProcess, secret: Path) -> RabbitServer:
    return RabbitServer("main", rabbit.metrics, celery=heard(rabbit, secret))


def states(seen: Scrape) -> dict[str, float]:
    """Return how many workers are in which state, but for none."""
    return {state: count for (state, _), count in found(seen, "workers").items() if count}


def test_what_became_of_tasks_is_counted_and_a_killed_worker_is_seen_by_its_heartbeat(
    rabbit: RabbitProcess, secret: Path, tmp_path: Path
) -> None:
    with asking(watched(rabbit, secret)) as scrape, worker(rabbit.amqp, tmp_path) as process:
        until(lambda: states(scrape()) == {"idle": 1}, "a worker")
        publish(rabbit.amqp, "succeed.delay(); fail.delay(); hold.apply_async(countdown=900); retry.delay()")
        until(lambda: states(scrape()) == {"busy": 1}, "a task that runs")
        until(lambda: found(scrape(), "failed_total").get(MAIL) == 2, "a retry that failed")
        # One of the three runs, which is acknowledged when it starts; two wait in it, and one is for later,
        # which is not known of a worker that made the exchange, and so began before it could be heard.
        until(lambda: found(scrape(), "in_progress") == {MAIL: 3}, "messages taken in advance")
        seen = scrape()
        assert found(seen, "scheduled") == {}
        assert (found(seen, "retried_total"), found(seen, "completed_total")) == ({MAIL: 1}, {MAIL: 1})
        assert found(seen, "task_failures_total") == {(f"{APP}.fail",): 1, (f"{APP}.retry",): 1}
        assert (found(seen, "ready"), found(seen, "consumers")) == ({MAIL: 0}, {MAIL: 1})
        os.killpg(process.pid, signal.SIGKILL)
        began = time.monotonic()
        until(lambda: states(scrape()) == {"lost": 1}, "a lost worker")
        assert time.monotonic() - began < 8
        seen = scrape()
        assert time.time() - 20 < found(seen, "worker_heartbeat_timestamp_seconds")[SYSTEM, "one@host"]
        until(lambda: found(scrape(), "ready") == {MAIL: 3}, "what it held waits again")
        assert (found(seen, "failed_total"), failing(seen)) == ({MAIL: 2}, {})
        with worker(rabbit.amqp, tmp_path):
            until(lambda: found(scrape(), "scheduled") == {MAIL: 1}, "the worker again, and what it holds")
            until(lambda: found(scrape(), "in_progress") == {MAIL: 1}, "one that runs, one that waits")
            assert found(scrape(), "depth") == {MAIL: 2}


def test_a_broker_that_is_killed_and_comes_back_is_heard_again_and_what_was_counted_stays(
    rabbit: RabbitProcess, secret: Path, tmp_path: Path
) -> None:
    with asking(watched(rabbit, secret)) as scrape, worker(rabbit.amqp, tmp_path):
        until(lambda: states(scrape()) == {"idle": 1}, "a worker")
        publish(rabbit.amqp, "fail.delay()")
        until(lambda: found(scrape(), "failed_total") == {MAIL: 1}, "a failure")
        rabbit.kill()
        until(lambda: reason(scrape()) == ["refused"], "a broker that is down")
        assert states(scrape()) == {}
        rabbit.start()
        until(lambda: failing(scrape()) == {} and states(scrape()) == {"idle": 1}, "the worker heard again")
        publish(rabbit.amqp, "fail.delay()")
        until(lambda: found(scrape(), "failed_total") == {MAIL: 2}, "one more failure")


def test_while_a_broker_stands_still_and_after_it_nobody_is_lost(
    rabbit: RabbitProcess, secret: Path, tmp_path: Path
) -> None:
    assert rabbit.process is not None
    seen: list[dict[str, float]] = []

    def look(scrape: Callable[..., Scrape]) -> Scrape:
        found_now = scrape()
        seen.append(states(found_now))
        return found_now

    with asking(watched(rabbit, secret)) as scrape, worker(rabbit.amqp, tmp_path):
        until(lambda: states(scrape()) == {"idle": 1}, "a worker")
        with stopped(rabbit.process.pid):
            # Longer than three of the worker's heartbeats, and than two of the broker's.
            for _ in range(5):
                assert reason(look(scrape)) == ["timeout"]
            assert seen == [{}] * 5
        until(lambda: states(look(scrape)) == {"idle": 1}, "the worker heard again")
        assert all(each in ({}, {"idle": 1}) for each in seen)


def test_failures_survive_the_worker_and_the_end_of_the_exporter(
    rabbit: RabbitProcess, secret: Path, tmp_path: Path
) -> None:
    (tmp_path / "queues.yml").write_text(f"""\
rabbitmq:
  - name: main
    url: {rabbit.metrics}
    celery: {{url: 'amqp://{USER}@127.0.0.1:{rabbit.amqp_port}', password_file: {secret}}}
""")
    options = ("--config", str(tmp_path / "queues.yml"), "--storage.path", str(tmp_path / "state"))

    def seen(url: str) -> Scrape:
        return samples(requests.get(f"{url}/metrics", timeout=20).text)

    def failures(url: str) -> float:
        return seen(url).get(("specter_queue_failed_total", ("mail", "main", SYSTEM)), 0)

    def idle(url: str) -> bool:
        return seen(url).get(("specter_queue_workers", ("main", "idle", SYSTEM))) == 1

    with worker(rabbit.amqp, tmp_path) as process:
        with exporter(tmp_path, "queues", *options) as (url, killed, _):
            until(lambda: idle(url), "a worker")
            publish(rabbit.amqp, "fail.delay(); fail.delay()")
            until(lambda: failures(url) == 2, "failures")
            os.killpg(process.pid, signal.SIGKILL)
            killed.kill()
            killed.wait(20)
            killed.returncode = 0
        # Its queue goes with its connection.
        until(lambda: not any("specter" in queue["name"] for queue in rabbit.queues()), "its queue deleted")
        with exporter(tmp_path, "queues", *options) as (url, _, log), worker(rabbit.amqp, tmp_path):
            assert failures(url) == 2
            until(lambda: idle(url), "a worker")
            publish(rabbit.amqp, "fail.delay()")
            until(lambda: failures(url) == 3, "one more failure")
            assert PASSWORD not in log.read_text()


def test_the_management_api_counts_arrivals_and_workers_what_they_finished(
    rabbit: RabbitProcess, secret: Path, tmp_path: Path
) -> None:
    server = RabbitServer("main", rabbit.management, "management", USER, secret, celery=heard(rabbit, secret))
    ledger = Ledger()
    # The API remembers a queue for some seconds after it was deleted, so that this one has a name of its own.
    other = ("other", SYSTEM)

    def runs(times: int) -> None:
        with asking(server, ledger=ledger) as scrape, worker(rabbit.amqp, tmp_path, "other"):
            until(lambda: states(scrape()) == {"idle": 1}, "a worker")
            publish(
                rabbit.amqp,
                "for each in (succeed, succeed, succeed, fail): each.apply_async(queue='other')",
            )
            until(lambda: found(scrape(), "arrived_total").get(other) == 4 * times, "arrivals")
            seen = scrape()
            # The failed ones were acknowledged too.
            assert found(seen, "completed_total")[other] == 3 * times
            assert found(seen, "failed_total")[other] == times

    runs(1)
    runs(2)


def test_messages_of_every_priority_are_ready_and_stamped_tasks_tell_since_when_the_next_waits(
    rabbit: RabbitProcess, secret: Path
) -> None:
    rabbit.declare("urgent", "%2f", **{"x-max-priority": 10})
    before = int(time.time())
    publish(
        rabbit.amqp,
        "from kombu import Queue\n"
        "to = Queue('urgent', queue_arguments={'x-max-priority': 10})\n"
        "for each in (0, 3, 9, 9): succeed.apply_async(queue=to, priority=each)",
        STAMPED="yes",
    )
    with asking(watched(rabbit, secret)) as scrape:
        until(lambda: found(scrape(), "ready").get(URGENT) == 4, "messages of each priority")
        seen = scrape()
    assert (found(seen, "depth")[URGENT], found(seen, "in_progress")[URGENT]) == (4, 0)
    assert before <= found(seen, "oldest_timestamp_seconds")["published", *URGENT] <= time.time()


def test_tasks_for_later_are_scheduled_where_celery_lets_them_wait_in_the_broker(
    rabbit: RabbitProcess, secret: Path, tmp_path: Path
) -> None:
    quorum = {"QUORUM": "yes"}
    with asking(watched(rabbit, secret)) as scrape, worker(rabbit.amqp, tmp_path, "steady", **quorum):
        until(lambda: states(scrape()) == {"idle": 1}, "a worker")
        publish(rabbit.amqp, "for each in (900, 5000): succeed.apply_async(countdown=each)", **quorum)
        until(lambda: found(scrape(), "scheduled") == {("celery_delayed", SYSTEM): 2}, "tasks for later")
        seen = scrape()
        assert set(found(seen, "ready")) == {("steady", SYSTEM)}
        assert (found(seen, "dropped_queues")[SYSTEM,], failing(seen)) == (0, {})
