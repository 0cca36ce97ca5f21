"""A real RabbitMQ, by its Prometheus plugin, by its management API, and by the events of Celery's workers."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import amqp
import pytest

from specter_core.clock import SystemClock
from specter_exporters.queues.celery_exchange import CeleryBroker
from specter_exporters.queues.model import Problem
from specter_exporters.queues.rabbitmq import RabbitServer, RabbitSource
from tests.exporters.queues.asking import asking, failing, found, reason
from tests.exporters.serving import until
from tests.servers.exposition import exposing
from tests.servers.faulty import Request, faulty_server
from tests.servers.prometheus import free_port
from tests.servers.rabbitmq import PASSWORD, USER, RabbitProcess, running_rabbitmq

PAGE = (Path(__file__).parents[3] / "docs" / "exporters-queues.md").read_text("utf-8")
WATCHER = "pass-word-of-the-watcher"
SYSTEM = "rabbitmq"
MAIL, DEAD, OTHER = (("mail", SYSTEM), ("dead", SYSTEM), ("office/mail", SYSTEM))
EXPOSED = """\
# TYPE rabbitmq_detailed_queue_messages_ready gauge
rabbitmq_detailed_queue_messages_ready{vhost="/",queue="a \\"b\\""} 4
rabbitmq_detailed_queue_messages_ready{vhost="/",queue="z"} 1
rabbitmq_detailed_queue_messages_unacked{vhost="/",queue="z"} 0
rabbitmq_detailed_queue_head_message_timestamp{vhost="/",queue="z"} NaN
"""


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitProcess]:
    with running_rabbitmq() as server:
        server.call("PUT", "vhosts/office")
        server.declare("mail", **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
        server.declare("dead")
        server.declare("mail", vhost="office")
        for own in ("one@host.celery.pidbox", "8c9e-reply.reply.celery.pidbox", "celeryev.5d3a"):
            server.declare(own)
        for second in (1_700_000_000, 1_700_000_050, 1_700_000_100):
            server.publish("mail", timestamp=second)
        server.publish("mail", vhost="office")
        server.reject("mail")
        yield server


@pytest.mark.integration
def test_the_plugin_tells_each_queue_and_ages_only_where_publishers_set_a_time(rabbit: RabbitProcess) -> None:
    server = RabbitServer("main", rabbit.metrics, dead_letters={"mail": "dead"})
    with asking(server) as scrape:
        until(lambda: found(scrape(), "ready") == {MAIL: 2, OTHER: 1}, "messages told")
        seen = scrape()
    assert found(seen, "in_progress") == found(seen, "consumers") == {MAIL: 0, OTHER: 0}
    assert found(seen, "dead_letters") == {MAIL: 1}  # which nobody is expected to take: no queue of its own
    oldest = found(seen, "oldest_timestamp_seconds")
    assert oldest["published", *MAIL] == 1_700_000_050
    assert ("published", *OTHER) not in oldest
    assert (failing(seen), reason(seen), found(seen, "dropped_queues")) == ({}, [], {("rabbitmq",): 0})


@pytest.mark.integration
def test_the_management_api_counts_what_was_published_and_turns_a_wrong_password_away(
    rabbit: RabbitProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD)
    server = RabbitServer("main", rabbit.management, "management", USER, secret, max_queues=2)
    with asking(server) as scrape:
        until(lambda: found(scrape(), "arrived_total").get(MAIL) == 3, "statistics")
        seen = scrape()
        assert found(seen, "ready") == {MAIL: 2, DEAD: 1}
        assert found(seen, "dropped_queues") == {("rabbitmq",): 1}
        assert found(seen, "oldest_timestamp_seconds")["published", *MAIL] == 1_700_000_050
        secret.write_text("wrong")
        assert reason(scrape()) == ["auth"]
        secret.unlink()
        assert reason(scrape()) == ["auth"]
    with asking(replace(server, password_file=None)) as scrape:
        assert reason(scrape()) == ["auth"]
    with asking(replace(server, api="metrics", password_file=None)) as scrape:
        assert reason(scrape()) == ["other"]
    assert f"{rabbit.management} has no /metrics/detailed: `api: metrics` is asked of the Prom" in caplog.text


def test_what_the_management_api_counts_later_than_it_shows_is_counted_once() -> None:
    item: dict[str, Any] = {"vhost": "/", "name": "mail", "messages_ready": 0}

    def respond(request: Request) -> None:
        request.answer(json.dumps({"items": [item], "page_count": 1, "filtered_count": 1}).encode())

    with (
        faulty_server(respond) as management,
        asking(RabbitServer("main", management.url, "management")) as scrape,
    ):
        assert (found(scrape(), "arrived_total"), found(scrape(), "completed_total")) == (
            {MAIL: 0},
            {MAIL: 0},
        )
        item["messages_ready"] = 4
        assert found(scrape(), "arrived_total") == {MAIL: 0}
        item["message_stats"] = {"publish": 4}
        assert found(scrape(), "arrived_total") == {MAIL: 4}
        item |= {"messages_ready": 0, "message_stats": {"publish": 5, "ack": 3, "get_no_ack": 2}}
        seen = scrape()
        assert (found(seen, "arrived_total"), found(seen, "completed_total")) == ({MAIL: 5}, {MAIL: 5})
        # A node without statistics counts nothing, which is not 0 more.
        del item["messages_ready"], item["message_stats"]
        assert found(scrape(), "arrived_total") == {MAIL: 5}


def test_names_are_taken_as_they_are_and_what_is_over_the_limit_is_counted() -> None:
    with (
        exposing(EXPOSED) as target,
        asking(RabbitServer("main", f"http://{target}", max_queues=1)) as scrape,
    ):
        seen = scrape()
    assert found(seen, "ready") == {('a "b"', SYSTEM): 4}
    assert found(seen, "in_progress") == {}
    assert found(seen, "dropped_queues") == {("rabbitmq",): 1}


def test_what_wants_no_consumer_is_scheduled_and_not_ready() -> None:
    body = """\
# TYPE rabbitmq_detailed_queue_messages_ready gauge
rabbitmq_detailed_queue_messages_ready{vhost="/",queue="mail"} 1
rabbitmq_detailed_queue_messages_ready{vhost="/",queue="mail.retry"} 4
rabbitmq_detailed_queue_head_message_timestamp{vhost="/",queue="mail.retry"} 1700000000
rabbitmq_detailed_queue_messages_unacked{vhost="office",queue="audit"} 0
"""
    server = RabbitServer("main", "", unattended=("*.retry", "office/*"))
    with exposing(body) as target, asking(replace(server, url=f"http://{target}")) as scrape:
        seen = scrape()
    retry = ("mail.retry", SYSTEM)
    assert found(seen, "ready") == {MAIL: 1, retry: 0}
    assert found(seen, "scheduled") == {retry: 4}
    assert found(seen, "depth") == {MAIL: 1, retry: 4}
    assert found(seen, "oldest_timestamp_seconds") == {}


@pytest.mark.integration
def test_how_far_the_readers_of_a_stream_are_is_not_known(rabbit: RabbitProcess, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    rabbit.call("PUT", "vhosts/streams")
    rabbit.declare("log", vhost="streams", **{"x-queue-type": "stream"})
    rabbit.publish("log", vhost="streams")
    server = RabbitServer("main", rabbit.management, "management", USER, tmp_path / "password")
    log = ("streams/log", SYSTEM)
    with asking(server) as scrape:
        until(lambda: log in found(scrape(), "consumers"), "statistics")
        seen = scrape()
    assert log not in found(seen, "ready") | found(seen, "depth") | found(seen, "oldest_timestamp_seconds")
    rabbit.call("DELETE", "vhosts/streams")


def _drip_headers(request: Request) -> None:
    request.handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while not request.released.wait(0.02):
        try:
            request.handler.wfile.write(b"x")
        except OSError:  # broken off
            return


@pytest.mark.parametrize(
    "respond",
    [_drip_headers, lambda request: request.drip(b"rabbitmq_" * 1000, 0.02)],
    ids=["headers", "body"],
)
def test_one_that_drips_is_broken_off_at_the_time_out(respond: Callable[[Request], None]) -> None:
    with faulty_server(respond) as node:
        source = RabbitSource(RabbitServer("main", node.url, timeout=0.2), SystemClock())
        began = time.monotonic()
        told = source.ask()
        assert 0.2 <= time.monotonic() - began < 2
    assert told.problem == Problem("timeout", "no whole answer came within 0.2 s")


def test_what_is_no_rabbitmq_and_what_is_not_there_is_said() -> None:
    with exposing("up 1\n") as target, asking(RabbitServer("main", f"http://{target}")) as scrape:
        assert reason(scrape()) == ["other"]
    with asking(RabbitServer("main", f"http://127.0.0.1:{free_port()}")) as scrape:
        assert reason(scrape()) == ["refused"]


@pytest.fixture(scope="module")
def watcher(rabbit: RabbitProcess) -> str:
    """Make a user with the documented rights, and no others."""
    [rights] = re.findall(r"^rabbitmqctl set_permissions (\S+) '(\S+)' '(\S+)' '(\S+)'$", PAGE, re.MULTILINE)
    user, configure, write, read = rights
    rabbit.grant(user, WATCHER, configure=configure, write=write, read=read)
    return str(user)


@pytest.mark.integration
def test_workers_and_their_tasks_are_heard_with_the_documented_rights(
    rabbit: RabbitProcess, watcher: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("wrong\n")
    broker = CeleryBroker(f"amqp://{watcher}@127.0.0.1:{rabbit.amqp_port}", tmp_path / "secret")

    def say(**event: object) -> None:
        rabbit.publish("worker.heartbeat", exchange="celeryev", payload=json.dumps(event))

    with asking(RabbitServer("main", rabbit.metrics, celery=broker)) as scrape:
        until(lambda: failing(scrape()) == {"celery": "auth"}, "a wrong password")
        (tmp_path / "secret").write_text(f"{WATCHER}\n")
        until(lambda: failing(scrape()) == {"celery": "missing"}, "an exchange that nobody made")
        assert (found(scrape(), "ready")[MAIL], found(scrape(), "workers")) == (2, {})
        rabbit.call("PUT", "exchanges/%2f/celeryev", {"type": "topic", "durable": True})
        until(lambda: failing(scrape()) == {}, "listening")
        say(type="worker-heartbeat", hostname="one@host", freq=2, active=1)
        say(type="task-sent", hostname="web", uuid="1", queue="mail")
        say(type="task-received", hostname="one@host", uuid="1", name="shop.mail")
        say(type="task-failed", hostname="one@host", uuid="1")
        until(lambda: found(scrape(), "failed_total") == {MAIL: 1}, "a failure")
        seen = scrape()
        assert found(seen, "workers")["busy", SYSTEM] == 1
        assert (SYSTEM, "one@host") in found(seen, "worker_heartbeat_timestamp_seconds")
        assert found(seen, "task_failures_total") == {("shop.mail",): 1}
        assert (found(seen, "completed_total")[MAIL], found(seen, "ready")) == (
            0,
            {MAIL: 2, DEAD: 1, OTHER: 1},
        )
        [own] = [each for each in rabbit.queues() if each["name"].startswith("celeryev.specter.")]
        assert (own["exclusive"], own["auto_delete"], own["durable"]) == (True, True, False)
        assert own["arguments"]["x-max-length"] == 10_000
    until(lambda: len(rabbit.queues()) == 6, "the end of its queue")


@pytest.mark.integration
@pytest.mark.parametrize(
    "write",
    [
        lambda channel: channel.queue_declare("mine"),
        lambda channel: channel.basic_publish(amqp.Message("x"), "celeryev", "worker.heartbeat"),
        lambda channel: channel.basic_publish(amqp.Message("x"), "", "mail"),
        lambda channel: channel.basic_get("mail"),
        lambda channel: channel.queue_purge("mail"),
        lambda channel: channel.queue_delete("mail"),
        lambda channel: channel.exchange_delete("celeryev"),
    ],
    ids=["declare", "tell an event", "publish", "take", "purge", "delete", "delete the exchange"],
)
def test_the_documented_rights_allow_nothing_else(
    rabbit: RabbitProcess, watcher: str, write: Callable[[amqp.Channel], object]
) -> None:
    address = f"127.0.0.1:{rabbit.amqp_port}"
    with amqp.Connection(address, watcher, WATCHER, confirm_publish=True) as connection:
        channel = connection.channel()
        with pytest.raises(amqp.exceptions.AccessRefused):
            write(channel)


@pytest.mark.integration
def test_a_user_without_the_rights_and_a_virtual_host_that_is_not_there_are_said(
    rabbit: RabbitProcess, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(WATCHER)
    rabbit.grant("stranger", WATCHER, configure="^$", write="^$", read="^$")
    for path in ("", "/office"):
        broker = CeleryBroker(f"amqp://stranger@127.0.0.1:{rabbit.amqp_port}{path}", tmp_path / "secret")
        with asking(RabbitServer("main", rabbit.metrics, celery=broker)) as scrape:
            until(lambda scrape=scrape: failing(scrape()) == {"celery": "privilege"}, "a refusal")  # type: ignore[misc]


@pytest.mark.integration
def test_events_are_heard_over_tls_from_whom_is_trusted_only(
    rabbit: RabbitProcess, watcher: str, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(WATCHER)
    rabbit.call("PUT", "exchanges/%2f/celeryev", {"type": "topic", "durable": True})
    url = f"amqps://{watcher}@127.0.0.1:{rabbit.amqps_port}/%2F"
    broker = CeleryBroker(url, tmp_path / "secret")
    with asking(RabbitServer("main", rabbit.metrics, celery=broker)) as scrape:
        until(lambda: failing(scrape()) == {"celery": "tls"}, "an authority that nobody knows")
    trusted = replace(broker, ca_file=rabbit.certificate.cert)
    with asking(RabbitServer("main", rabbit.metrics, celery=trusted)) as scrape:
        until(lambda: any("specter" in each["name"] for each in rabbit.queues()), "listening")
        event = json.dumps({"type": "worker-heartbeat", "hostname": "two@host"})
        rabbit.publish("worker.heartbeat", exchange="celeryev", payload=event)
        until(lambda: found(scrape(), "workers").get(("idle", SYSTEM)) == 1, "a worker")
    plain = replace(broker, url=url.replace(str(rabbit.amqps_port), str(rabbit.amqp_port)))
    with asking(RabbitServer("main", rabbit.metrics, celery=plain)) as scrape:
        until(lambda: failing(scrape()) == {"celery": "tls"}, "a port without TLS")
