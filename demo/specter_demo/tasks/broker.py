"""The queues by name, and Celery as publisher and workers both have it."""

from celery import Celery

CONFIRM = "shop.confirm_order"
SETTLE = "shop.settle_payment"
QUEUE_OF = {CONFIRM: "mails", SETTLE: "webhooks"}
"""The queue of each task, a list of that name in Redis."""
PROCESSES = 2
# Redis has no acknowledgement: what a killed worker had taken comes back after so long.
TAKEN_SECONDS = 120
SOCKET_SECONDS = 1.0


def create_celery(url: str) -> Celery:
    """Return Celery on the Redis database `url`; nothing is connected yet.

    Results are kept nowhere. A task that was taken is acknowledged when it is done, so that the end of a
    worker loses none; each can be done twice.
    """
    app = Celery("shop", broker=url, set_as_current=False)
    app.conf.update(
        task_routes={name: {"queue": queue} for name, queue in QUEUE_OF.items()},
        task_default_queue="mails",
        task_ignore_result=True,
        task_acks_late=True,
        task_publish_retry=False,
        # Workers do not tell the queue of what they finish: the exporter knows it by these.
        task_send_sent_event=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": TAKEN_SECONDS,
            "socket_connect_timeout": SOCKET_SECONDS,
        },
    )
    return app
