"""Stamp messages with the time at which they are published, so that their age is known and not only bounded.

For a publisher: nothing of it needs a broker, and a message without the stamp is told as before.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from specter_exporters.queues.messages import STAMP


def stamped(message: Mapping[str, Any], *, now: Callable[[], float] = time.time) -> dict[str, Any]:
    """Return a message with the time in it, to be encoded as a JSON object and pushed to a Redis list."""
    return {**message, STAMP: now()}


def stamp_celery_tasks() -> None:
    """Stamp each task that this process publishes from now on, retries too.

    The time is in a header, and for RabbitMQ, which tells no headers of what waits, in AMQP's property.

    Calling it again changes nothing.

    Raises:
        ImportError: Celery is not installed.
    """
    from celery.signals import before_task_publish  # noqa: PLC0415  (the publisher has it)

    before_task_publish.connect(_stamp, dispatch_uid="specter-published", weak=False)


def _stamp(headers: dict[str, Any], properties: dict[str, Any], **_: object) -> None:
    headers[STAMP] = now = time.time()
    properties["timestamp"] = int(now)
