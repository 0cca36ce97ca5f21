"""The digest: a day of the shop in one mail to its owner."""

from collections.abc import Callable

from specter_demo.mail import Mail
from specter_demo.shop.database import Connection

OWNER = "owner@shop.example"
ORDERS = """
select count(*), count(distinct customer_id), count(*) filter (where status <> 'paid'),
       coalesce(sum(amount_cents) filter (where status = 'paid'), 0)
from orders where placed_at >= now() - interval '1 day'
"""
CUSTOMERS = "select count(*) from customers"
# Its release came before the migration.
BROKEN_CUSTOMERS = "select count(*) from customers where newsletter"


def send_digest(connection: Connection, send: Callable[[Mail], None], *, broken: bool = False) -> str:
    """Send the digest of the last 24 hours and return its text; `broken` asks for a column that is not there.

    Raises:
        psycopg.Error: the database cannot be asked.
        requests.RequestException: the inbox does not take the mail.
    """
    (customers,) = _one(connection, BROKEN_CUSTOMERS if broken else CUSTOMERS)
    orders, buyers, unpaid, cents = _one(connection, ORDERS)
    text = (
        f"{orders} orders of {buyers} customers in the last 24 hours, {unpaid} of them not paid; "
        f"{cents / 100:.2f} EUR. {customers} customers have an account."
    )
    send(Mail(OWNER, "Your shop's day", text))
    return text


def _one(connection: Connection, query: str) -> tuple[int, ...]:
    row = connection.execute(query.encode()).fetchone()
    if row is None:
        raise AssertionError("an aggregate returned no row")
    return row
