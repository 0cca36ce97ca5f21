"""A Celery application for workers under test; the broker is in the environment."""

import os
import time
from typing import Any

from celery import Celery

from specter_exporters.queues.publishing import stamp_celery_tasks

app = Celery("tasks", broker=os.environ["BROKER"])
app.conf.update(
    task_default_queue="mail",
    worker_send_task_events=True,
    task_send_sent_event=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"queue_order_strategy": "priority"},
)
if os.environ.get("QUORUM"):
    app.conf.update(
        task_default_queue="steady", task_default_queue_type="quorum", task_default_exchange_type="topic"
    )
if os.environ.get("STAMPED"):
    stamp_celery_tasks()


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def succeed() -> None:
    """Do nothing."""


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def fail() -> None:
    """Fail."""
    raise ValueError("on purpose")


@app.task  # type: ignore[untyped-decorator]  # Celery has no types
def hold() -> None:
    """Take long."""
    time.sleep(120)


@app.task(bind=True, max_retries=1, default_retry_delay=0)  # type: ignore[untyped-decorator]
def retry(self: Any) -> None:
    """Fail twice, and leave three that take long."""
    if self.request.retries:
        for _ in range(3):
            hold.delay()
    raise self.retry()
