"""A real RabbitMQ, by its Prometheus plugin and by its management API."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from specter_exporters.queues.rabbitmq import RabbitServer
from tests.exporters.queues.asking import asking, failing, found, reason
from tests.exporters.serving import until
from tests.servers.exposition import exposing
from tests.servers.prometheus import free_port
from tests.servers.rabbitmq import PASSWORD, USER, RabbitProcess, running_rabbitmq

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
        for second in (1_700_000_000, 1_700_000_050, 1_700_000_100):
            server.publish("mail", timestamp=second)
        server.publish("mail", vhost="office")
        server.reject("mail")
        yield server


@pytest.mark.integration
def test_the_plugin_tells_each_queue_and_ages_only_where_publishers_set_a_time(rabbit: RabbitProcess) -> None:
    server = RabbitServer("main", rabbit.metrics, dead_letters={"mail": "dead"})
    with asking(server) as scrape:
        until(lambda: found(scrape(), "ready") == {MAIL: 2, DEAD: 1, OTHER: 1}, "messages told")
        seen = scrape()
    assert found(seen, "in_progress") == found(seen, "consumers") == {MAIL: 0, DEAD: 0, OTHER: 0}
    assert found(seen, "dead_letters") == {MAIL: 1}
    oldest = found(seen, "oldest_timestamp_seconds")
    assert oldest["published", *MAIL] == 1_700_000_050
    assert ("published", *OTHER) not in oldest
    assert (failing(seen), reason(seen), found(seen, "dropped_queues")) == ({}, [], {("rabbitmq",): 0})


@pytest.mark.integration
def test_the_management_api_counts_what_was_published_and_turns_a_wrong_password_away(
    rabbit: RabbitProcess, tmp_path: Path
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


def test_names_are_taken_as_they_are_and_what_is_over_the_limit_is_counted() -> None:
    with (
        exposing(EXPOSED) as target,
        asking(RabbitServer("main", f"http://{target}", max_queues=1)) as scrape,
    ):
        seen = scrape()
    assert found(seen, "ready") == {('a "b"', SYSTEM): 4}
    assert found(seen, "in_progress") == {}
    assert found(seen, "dropped_queues") == {("rabbitmq",): 1}


def test_what_is_no_rabbitmq_and_what_is_not_there_is_said() -> None:
    with exposing("up 1\n") as target, asking(RabbitServer("main", f"http://{target}")) as scrape:
        assert reason(scrape()) == ["other"]
    with asking(RabbitServer("main", f"http://127.0.0.1:{free_port()}")) as scrape:
        assert reason(scrape()) == ["refused"]
