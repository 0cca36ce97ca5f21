"""What the workers do for each order that was paid."""

import time
from collections.abc import Callable

import psycopg
import requests
from celery import Celery

from specter_demo.mail import Mail
from specter_demo.shop.database import Pool
from specter_demo.tasks.broker import CONFIRM, SETTLE
from specter_demo.tasks.trouble import QueueTrouble

RECIPIENT = """
select coalesce(email, 'guest@shop.example'), amount_cents
from orders left join customers using (customer_id) where order_id = %s
"""
SETTLEMENT = """
insert into settlements (order_id, reference)
select order_id, %s from orders where order_id = %s
on conflict do nothing
"""
PASSING = (psycopg.OperationalError, requests.RequestException)
"""What goes away by itself: the database or the inbox cannot be reached."""
MOST_RETRIES = 5


def register(
    app: Celery,
    pool: Pool,
    send: Callable[[Mail], None],
    trouble: Callable[[], QueueTrouble],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Give `app` the shop's tasks.

    Args:
        app: Celery on the broker.
        pool: connections to the shop's database, opened by each process for itself.
        send: sends a mail.
        trouble: tells what is wrong with the workers now.
        sleep: waits for so many seconds.
    """

    def confirm_order(order_id: int) -> None:
        """Send the customer a mail that the order was taken."""
        sleep(trouble().seconds)
        with pool.connection() as connection:
            row = connection.execute(RECIPIENT, (order_id,)).fetchone()
        # An order of a database that was made anew since has none.
        if row is not None:
            send(
                Mail(row[0], f"Your order {order_id}", f"We have received {row[1] / 100:.2f} EUR. Thank you.")
            )

    def settle_payment(order_id: int, reference: str) -> None:
        """Write down that the provider has confirmed a payment, as its webhook says."""
        sleep(trouble().seconds)
        with pool.connection() as connection:
            connection.execute(SETTLEMENT, (reference, order_id))

    for name, task in ((CONFIRM, confirm_order), (SETTLE, settle_payment)):
        # Not shared: a task belongs to this `app` alone.
        app.task(
            task,
            name=name,
            shared=False,
            autoretry_for=PASSING,
            retry_backoff=True,
            max_retries=MOST_RETRIES,
        )
