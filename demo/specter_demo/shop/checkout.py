"""Placing an order: write it, charge it, mark it paid."""

import time

import flask
from pydantic import Field, ValidationError

from specter_core.config import Schema
from specter_demo.shop.database import Connection, Pool
from specter_demo.shop.events import Events
from specter_demo.shop.payment import PaymentClient, PaymentError
from specter_demo.tasks.broker import CONFIRM, SETTLE
from specter_demo.tasks.publisher import Queues
from specter_exporters.business.validation import Details

PRICES = "select product_id, price_cents from products where product_id = any(%s)"
CUSTOMER = "select customer_id from customers where email = %s"
INSERT_ORDER = """
insert into orders (customer_id, status, amount_cents) values (%s, 'pending', %s) returning order_id
"""
INSERT_LINE = """
insert into order_lines (order_id, product_id, quantity, price_cents) values (%s, %s, %s, %s)
"""
CURRENCY = "EUR"
FINISH = "update orders set status = %s, payment_reference = %s where order_id = %s"


class Line(Schema):
    """One product of an order."""

    product_id: int = Field(ge=1, lt=1 << 31)
    quantity: int = Field(ge=1, le=99)


class Order(Schema):
    """What the body of a checkout must hold. Without the email of a customer it is a guest's order."""

    email: str = Field(default="", max_length=200, pattern=r"^[^\x00]*$")
    lines: list[Line] = Field(min_length=1, max_length=20)


def checkout(pool: Pool, payments: PaymentClient, business: Events, queues: Queues) -> flask.Blueprint:
    """Return the route that places an order and tells `business` what became of its payment.

    What may be done after the answer is left to `queues`, when the order is written as paid.
    """
    routes = flask.Blueprint("checkout", __name__)

    @routes.post("/checkout")
    def place() -> flask.typing.ResponseReturnValue:
        try:
            order = Order.model_validate(flask.request.get_json(silent=True))
        except ValidationError as error:
            return flask.jsonify(error=f"{error.error_count()} fields are missing or wrong"), 400
        quantities = {line.product_id: line.quantity for line in order.lines}
        with pool.connection() as connection:
            placed = insert(connection, order.email, quantities)
        if placed is None:
            return flask.jsonify(error="no such product"), 404
        order_id, amount = placed
        # No connection is held while a third party takes its time.
        started = time.perf_counter()
        told: Details = {"amount": amount / 100, "currency": CURRENCY, "user": order.email or None}
        try:
            reference = payments.charge(order_id, amount, flask.g.trace)
        except PaymentError as error:
            with pool.connection() as connection:
                connection.execute(FINISH, ("payment_failed", None, order_id))
            told |= {"outcome": "failed", "reason": error.kind, "seconds": time.perf_counter() - started}
            business.event("payment", **told)
            flask.g.error = error.reason
            return flask.jsonify(error=error.reason, order_id=order_id), 402 if error.declined else 502
        told["seconds"] = time.perf_counter() - started
        business.event("payment", **told)
        with pool.connection() as connection:
            connection.execute(FINISH, ("paid", reference, order_id))
        queues.publish(CONFIRM, order_id)
        queues.publish(SETTLE, order_id, reference)
        return flask.jsonify(order_id=order_id, amount_cents=amount, payment_reference=reference), 201

    return routes


def insert(connection: Connection, email: str, quantities: dict[int, int]) -> tuple[int, int] | None:
    """Write a pending order and return (order_id, amount in cents); None when a product does not exist."""
    with connection.transaction():
        prices: dict[int, int] = dict(connection.execute(PRICES, (list(quantities),)).fetchall())
        if len(prices) < len(quantities):
            return None
        amount = sum(prices[product] * quantity for product, quantity in quantities.items())
        customer = connection.execute(CUSTOMER, (email,)).fetchone() if email else None
        row = connection.execute(INSERT_ORDER, (customer[0] if customer else None, amount)).fetchone()
        if row is None:
            raise AssertionError("INSERT … RETURNING returned no row")
        with connection.cursor() as cursor:
            cursor.executemany(
                INSERT_LINE,
                [(row[0], product, quantity, prices[product]) for product, quantity in quantities.items()],
            )
    return row[0], amount
