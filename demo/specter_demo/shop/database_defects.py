"""Defects that a release may bring in what the shop does to its database."""

import itertools
import threading
from collections.abc import Callable

import flask

from specter_demo.shop.database import Connection, Pool

Opener = Callable[[], Connection]

# Ordinary roles can have 57 of the 60 connections. The rest is for superusers, as the shop is one: it goes
# on, and its next release ends the fault.
MOST_TAKEN = 56
TAKEN = "select count(*) from pg_stat_activity where backend_type = 'client backend'"
REPORT = "select count(*) from orders where status = 'pending'"
MIGRATION = "lock table orders in access exclusive mode"
# There is an index on neither, so each product page reads and sorts all products.
ALIKE = """
select product_id, name from products where description like '%%' || %s || '%%'
order by abs(price_cents - %s), popularity desc limit 4
"""


def connection_leak(app: flask.Flask, opener: Opener) -> None:
    """Let each checkout open a connection and a transaction of its own, and end neither."""
    kept: list[Connection] = []

    @app.before_request
    def leak() -> None:
        if not _is_for("/checkout"):
            return
        connection = opener()
        connection.execute("begin")
        row = connection.execute(TAKEN).fetchone()
        if row is not None and row[0] < MOST_TAKEN:
            kept.append(connection)
        else:
            connection.close()


def lock_storm(_app: flask.Flask, opener: Opener) -> None:
    """Let a report forget its transaction, and a migration without time-outs wait for it.

    Whoever wants the table then waits behind the migration.
    """

    def migrate() -> None:
        with opener() as report, opener() as migration:
            report.execute("begin")
            report.execute(REPORT)
            migration.execute("set lock_timeout = 0")
            migration.execute("set statement_timeout = 0")
            migration.execute("begin")
            migration.execute(MIGRATION)

    threading.Thread(target=migrate, name="migration", daemon=True).start()


def slow_query(app: flask.Flask, opener: Opener) -> None:
    """Let each product page look for products alike."""
    pool = Pool(opener)
    served = itertools.count(1)

    @app.before_request
    def look() -> None:
        if _is_for("/products/<int:product_id>"):
            with pool.connection() as connection:
                connection.execute(ALIKE, ("made to last", next(served) % 20_000)).fetchall()


def _is_for(route: str) -> bool:
    rule = flask.request.url_rule
    return rule is not None and rule.rule == route
