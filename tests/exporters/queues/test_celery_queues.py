"""Which of RabbitMQ's queues are Celery's own."""

import pytest

from specter_exporters.queues.celery_queues import Found, is_talk, with_delays
from specter_exporters.queues.model import Queue


def found(name: str, ready: float | None, vhost: str = "/") -> Found:
    label = name if vhost == "/" else f"{vhost}/{name}"
    return Found(vhost, name, Queue("rabbitmq", label, ready=ready, in_progress=1, consumers=0))


@pytest.mark.parametrize(
    ("name", "talk"),
    [
        ("celeryev.8f1c", True),
        ("one@host.celery.pidbox", True),
        ("8f1c.reply.celery.pidbox", True),
        ("one@host.mine.pidbox", True),
        ("celery", False),
        ("celeryevents", False),
        ("my.celery.pidbox.copy", False),
    ],
)
def test_queues_over_which_workers_talk(name: str, talk: bool) -> None:
    assert is_talk(name) is talk


def test_levels_of_delay_are_one_queue_of_what_is_scheduled() -> None:
    names = ["mail", "celery_delayed_0", "celery_delayed_27", "a_celery_delayed_3", "celery_delayed_delivery"]
    queues = [*(found(name, 2) for name in names), found("celery_delayed_1", 2, "shop")]
    assert [each.queue for each in with_delays(queues)] == [
        queues[0].queue,
        queues[4].queue,
        Queue("rabbitmq", "celery_delayed", scheduled=6),
        Queue("rabbitmq", "a_celery_delayed", scheduled=3),
        Queue("rabbitmq", "shop/celery_delayed", scheduled=3),
    ]


def test_of_levels_that_are_not_all_known_the_sum_is_not() -> None:
    [one] = with_delays([found("celery_delayed_0", 2), found("celery_delayed_1", None)])
    assert one.queue == Queue("rabbitmq", "celery_delayed")
