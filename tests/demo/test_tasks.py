"""The shop's queues: published whatever Redis does, done by a worker that a fault may kill."""

import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import pytest
import requests

from specter_demo.files import write_state
from specter_demo.mail import Mail
from specter_demo.shop.database import Pool
from specter_demo.tasks.broker import CONFIRM, SETTLE, create_celery
from specter_demo.tasks.keeper import Keeper
from specter_demo.tasks.orders import MOST_RETRIES, register
from specter_demo.tasks.publisher import Publisher, Unqueued, queues_of
from specter_demo.tasks.trouble import WORKING, QueueTrouble
from specter_demo.tasks.worker import NAME
from tests.demo.queue_servers import Backstage, running_backstage, until
from tests.demo.shop_server import free_port
from tests.servers.redis import running_redis

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def backstage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backstage]:
    with running_backstage(tmp_path_factory.mktemp("backstage")) as running:
        yield running


@contextmanager
def running_worker(backstage: Backstage) -> Iterator[subprocess.Popen[bytes]]:
    """Start what keeps the worker, yield it, and end it and whatever it has left."""
    command = [sys.executable, "-m", "specter_core", "demo", "serve", "worker"]
    with subprocess.Popen(command, env=backstage.environment, stderr=subprocess.DEVNULL) as keeper:
        below: list[psutil.Process] = []
        try:
            yield keeper
        finally:
            if keeper.poll() is None:
                below = psutil.Process(keeper.pid).children(recursive=True)
            keeper.terminate()
            keeper.wait(20)
            assert psutil.wait_procs(below, timeout=10)[1] == []


def celery_below(keeper: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return Celery's processes, the worker and the two that it has forked."""
    return psutil.Process(keeper.pid).children(recursive=True)


def publish(backstage: Backstage, task: str, *arguments: int | str) -> None:
    publisher = queues_of(backstage.settings, at_exit=lambda _: None)
    assert isinstance(publisher, Publisher)
    publisher.publish(task, *arguments)
    publisher.close()
    assert publisher.lost == 0


@contextmanager
def listening(backstage: Backstage, what: str) -> Iterator[Callable[[], dict[str, object]]]:
    """Yield what returns the next event of the kind `what`, as the exporter of queues hears it."""
    with backstage.redis.pubsub(ignore_subscribe_messages=True) as channel:
        channel.psubscribe(f"*{what}")

        def following() -> dict[str, object]:
            message = next(each for each in channel.listen() if each["type"] == "pmessage")
            told = json.loads(b64decode(json.loads(message["data"])["body"]))
            event: dict[str, object] = told[0] if isinstance(told, list) else told
            return event

        yield following


def test_the_worker_does_its_tasks_is_killed_comes_back_and_ends_with_what_keeps_it(
    backstage: Backstage,
) -> None:
    number, later = backstage.order(), backstage.order()
    with listening(backstage, "task.sent") as following:
        publish(backstage, CONFIRM, number)
        sent = following()
    assert (sent["name"], sent["queue"]) == (CONFIRM, "mails")
    publish(backstage, SETTLE, number, "ref-7")
    assert [backstage.redis.llen(queue) for queue in ("mails", "webhooks")] == [1, 1]
    with running_worker(backstage) as keeper:
        until(lambda: bool(backstage.mails_about(number)), "the mail")
        select = f"select reference from settlements where order_id = {number}"
        until(lambda: backstage.query(select) == [("ref-7",)], "the settlement")
        (mail,) = backstage.mails_about(number)
        assert mail["recipient"] == "ada@shop.example"
        assert mail["text"] == "We have received 12.34 EUR. Thank you."
        with listening(backstage, "worker.heartbeat") as following:
            beat = following()
        assert (beat["type"], beat["hostname"]) == ("worker-heartbeat", NAME)

        celery = celery_below(keeper)
        assert len(celery) == 3
        write_state(backstage.settings.queue_file, QueueTrouble(away=True))
        assert psutil.wait_procs(celery, timeout=10)[1] == []
        publish(backstage, CONFIRM, later)
        assert keeper.poll() is None
        assert psutil.Process(keeper.pid).children() == []
        assert backstage.redis.llen("mails") == 1

        write_state(backstage.settings.queue_file, WORKING)
        until(lambda: bool(backstage.mails_about(later)), "the mail after the fault")
        celery = celery_below(keeper)
        keeper.kill()
        assert psutil.wait_procs(celery, timeout=15)[1] == []


def test_a_task_is_tried_again_while_the_inbox_is_away(backstage: Backstage) -> None:
    app = create_celery(f"redis://127.0.0.1:{free_port()}/0")
    sent: list[Mail] = []
    slept: list[float] = []

    def send(mail: Mail) -> None:
        sent.append(mail)
        if len(sent) <= MOST_RETRIES:
            raise requests.ConnectionError

    pool = Pool(backstage.connect, size=1)
    register(app, pool, send, lambda: QueueTrouble(seconds=2.5), slept.append)
    number = backstage.order()
    app.tasks[CONFIRM].apply((number,)).get()
    assert len(sent) == 1 + MOST_RETRIES
    assert slept == [2.5] * len(sent)
    pool.close()


def test_an_order_that_is_not_there_is_neither_confirmed_nor_settled(backstage: Backstage) -> None:
    app = create_celery(f"redis://127.0.0.1:{free_port()}/0")
    sent: list[Mail] = []
    pool = Pool(backstage.connect, size=1)
    register(app, pool, sent.append, lambda: WORKING)
    app.tasks[CONFIRM].apply((10**12,)).get()
    app.tasks[SETTLE].apply((10**12, "ref")).get()
    pool.close()
    assert sent == []
    assert backstage.query(f"select count(*) from settlements where order_id = {10**12}") == [(0,)]


def test_tasks_wait_while_redis_is_away_and_too_many_are_lost() -> None:
    port = free_port()
    publisher = Publisher(create_celery(f"redis://127.0.0.1:{port}/0"), most_waiting=3, pause=0.05)
    for number in range(10):
        publisher.publish(CONFIRM, number)
    # One is under way, three wait.
    assert 6 <= publisher.lost <= 7
    with running_redis(port=port) as server, server.client() as redis:
        until(lambda: redis.llen("mails") + publisher.lost == 10, "the publishing of what waited")
    before = publisher.lost
    publisher.publish(CONFIRM, 11)
    publisher.close()
    assert publisher.lost == before + 1


def test_nothing_is_published_where_no_queue_is_named(backstage: Backstage) -> None:
    queues = queues_of(backstage.settings.model_copy(update={"queue_url": None}))
    queues.publish(CONFIRM, 1)
    assert isinstance(queues, Unqueued)


def test_a_child_that_ends_by_itself_ends_the_keeper_with_its_code() -> None:
    said: list[str] = []
    keeper = Keeper((sys.executable, "-c", "raise SystemExit(3)"), lambda: False, said.append)
    assert keeper.run(lambda seconds: False) == 3
    assert [sentence.rpartition(" ")[0] for sentence in said] == ["started the worker, process"]
