"""Defects that a release may bring in what the shop does to its database."""

import threading
import time
from collections.abc import Callable

import flask

from specter_demo.shop.database import Connection, Pool

Opener = Callable[[], Connection]

# Slow enough to be seen coming: a running shop has a dozen of the 57 that ordinary roles can have. Three more
# are for superusers, as the shop is one: it goes on, and its next release ends the fault.
LEAK_SECONDS = 6.0
MOST_TAKEN = 56
TAKEN = "select count(*) from pg_stat_activity where backend_type = 'client backend'"
REPORT = "select count(*) from orders where status = 'pending'"
MIGRATION = "lock table orders in access exclusive mode"
# It sorts all products, on disk. By day, at each page it would take more than the machine has.
KEPT_SECONDS = 0.5
ALIKE = """
select product_id, name, rank() over (order by abs(price_cents - %s), popularity desc)
from products where lower(description) like '%%made to last%%' order by 3 limit 4
"""


def connection_leak(_app: flask.Flask, opener: Opener) -> None:
    """Look for new orders every six seconds, on a connection that is then left in its transaction."""

    def poll(kept: list[Connection]) -> None:
        while True:
            leak(opener, kept)
            time.sleep(LEAK_SECONDS)

    threading.Thread(target=poll, args=([],), name="poll", daemon=True).start()


def leak(opener: Opener, kept: list[Connection]) -> None:
    """Add a connection in a transaction to `kept`, unless as many as may be are taken on the server."""
    connection = opener()
    connection.execute("begin")
    row = connection.execute(TAKEN).fetchone()
    if row is not None and row[0] <= MOST_TAKEN:
        connection.execute(REPORT)
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
    """Let product pages look for products alike, one at a time; what was found serves others for a while."""
    pool = Pool(opener)
    looking = threading.Lock()
    good_until = 0.0

    @app.before_request
    def look() -> None:
        nonlocal good_until
        rule = flask.request.url_rule
        if rule is None or rule.rule != "/products/<int:product_id>" or time.monotonic() < good_until:
            return
        if looking.acquire(blocking=False):
            try:
                price = (flask.request.view_args or {}).get("product_id", 0) % 20_000
                with pool.connection() as connection:
                    connection.execute(ALIKE, (price,)).fetchall()
                good_until = time.monotonic() + KEPT_SECONDS
            finally:
                looking.release()
