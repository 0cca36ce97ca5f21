"""The shop's tables and their first content."""

import time
from collections.abc import Callable
from hashlib import blake2b

from specter_demo.shop import goods
from specter_demo.shop.database import Connection

# Any fixed number: two seeds at once wait for each other.
SEED_LOCK = 7_204_001

TABLES = """
create table products (
    product_id integer primary key,
    name text not null,
    description text not null,
    price_cents integer not null check (price_cents > 0),
    popularity integer not null
);
create table customers (
    customer_id integer primary key,
    email text not null unique,
    password_salt bytea not null,
    password_hash bytea not null
);
create table orders (
    order_id bigint generated always as identity primary key,
    customer_id integer references customers,
    placed_at timestamptz not null default now(),
    status text not null check (status in ('pending', 'paid', 'payment_failed')),
    amount_cents integer not null check (amount_cents > 0),
    payment_reference text
);
create index orders_placed_at on orders (placed_at);
create table order_lines (
    order_id bigint not null references orders on delete cascade,
    product_id integer not null references products,
    quantity integer not null check (quantity > 0),
    price_cents integer not null,
    primary key (order_id, product_id)
);
"""

# Apart from the others, so that a database of an earlier version gets them too.
LATER = f"""
create sequence if not exists new_customers start {goods.CUSTOMERS + 1};
create table if not exists checkins (
    customer_id integer not null references customers,
    day date not null,
    mood smallint not null check (mood between 1 and 5),
    primary key (customer_id, day)
);
create table if not exists settlements (
    order_id bigint primary key references orders on delete cascade,
    reference text not null,
    settled_at timestamptz not null default now()
);
"""

SEARCH_INDEX = "products_name_search"
CREATE_SEARCH_INDEX = f"create index if not exists {SEARCH_INDEX} on products (lower(name) text_pattern_ops)"
DROP_SEARCH_INDEX = f"drop index if exists {SEARCH_INDEX}"

PRODUCTS = """
insert into products (product_id, name, description, price_cents, popularity)
select i,
       (%(colours)s::text[])[1 + i %% %(n_colours)s] || ' '
           || (%(things)s::text[])[1 + i / %(n_colours)s %% %(n_things)s] || ' '
           || 1 + i / (%(n_colours)s * %(n_things)s),
       'Model ' || i || ', made to last and to be repaired, delivered within three days.',
       500 + i * 37 %% 20000,
       (i::bigint * 7919 %% 1000003)::integer
from generate_series(1, %(products)s) as i
"""

CUSTOMERS = """
insert into customers (customer_id, email, password_salt, password_hash)
select i, 'customer' || i || '@shop.example',
       (%(salts)s::bytea[])[1 + i %% %(credentials)s], (%(hashes)s::bytea[])[1 + i %% %(credentials)s]
from generate_series(1, %(customers)s) as i
"""


def seed(connection: Connection, monotonic: Callable[[], float] = time.monotonic) -> float | None:
    """Create tables, index and content in one transaction, unless they are there.

    Returns:
        The seconds it took, or None when the tables already existed.

    Raises:
        psycopg.Error: the database refused; nothing was created.
    """
    started = monotonic()
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", (SEED_LOCK,))
        row = connection.execute("select to_regclass('products') is not null").fetchone()
        if row and row[0]:
            connection.execute(LATER)
            return None
        connection.execute(TABLES)
        connection.execute(LATER)
        _fill(connection)
        connection.execute(CREATE_SEARCH_INDEX)
    # Outside the transaction: hint bits and statistics, or the first searches would be slow.
    connection.execute("vacuum (analyze) products, customers")
    return monotonic() - started


def _fill(connection: Connection) -> None:
    connection.execute(
        PRODUCTS,
        {
            "colours": list(goods.COLOURS),
            "n_colours": len(goods.COLOURS),
            "things": list(goods.THINGS),
            "n_things": len(goods.THINGS),
            "products": goods.PRODUCTS,
        },
    )
    salts = [blake2b(b"shop %d" % number, digest_size=16).digest() for number in range(goods.CREDENTIALS)]
    hashes = [goods.hash_password(goods.password(number), salt) for number, salt in enumerate(salts)]
    connection.execute(
        CUSTOMERS,
        {
            "salts": salts,
            "hashes": hashes,
            "credentials": goods.CREDENTIALS,
            "customers": goods.CUSTOMERS,
        },
    )
