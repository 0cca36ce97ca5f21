"""An import that somebody ran by hand: orders that are paid without a payment, and payments of two orders."""

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault

# Each is one statement: the orders are there with the list of them, or not at all.
IMPORT = """
do $$ begin
    create table imported_orders (order_id bigint primary key);
    with imported as (
        insert into orders (status, amount_cents, payment_reference)
        select 'paid', 4900, case when n > 20 then 'imported-' || n % 5 end from generate_series(1, 30) as n
        returning order_id
    )
    insert into imported_orders select order_id from imported;
end $$
"""
TAKE_BACK = """
do $$ begin
    delete from orders where order_id in (select order_id from imported_orders);
    drop table imported_orders;
end $$
"""


def inject(control: Control) -> str:
    """Import the orders."""
    if active(control):
        return "the orders are imported already"
    control.sql(IMPORT)
    return "imported 20 paid orders without a payment, and 5 payments that two orders name each"


def clear(control: Control) -> str:
    """Take the import back."""
    if not active(control):
        return "no order was imported"
    control.sql(TAKE_BACK)
    return "the imported orders are taken back"


def active(control: Control) -> bool:
    """Tell whether imported orders are there."""
    return control.sql("select to_regclass('imported_orders') is not null") == [(True,)]


FAULT = Fault(
    name="integrity-violation",
    summary="an import by hand writes paid orders without a payment, and payments of two orders",
    inject=inject,
    clear=clear,
    active=active,
    # Visitors notice nothing, nor does any metric but those of the checks of the data.
    expects=(),
    alert="IntegrityViolatedCritical",
    family_alerts=("IntegrityViolated",),
)
