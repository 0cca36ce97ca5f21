"""The roles that exporters log into the shop's database as, with the grants that their pages ask for."""

from psycopg import sql

from specter_demo.shop.database import Connection

ROLE = "specter_exporter"
CHECKS_ROLE = "specter_checks"
# Of these the plans of statements are told, which takes the right to read them: no customer is in them.
EXPLAINED = ("products", "orders", "order_lines", "checkins")
_EXISTS = "select from pg_roles where rolname = %s"
_GRANTS = """
grant pg_monitor to {role};
grant select on all sequences in schema public to {role};
grant select on {tables} to {role};
create extension if not exists pg_stat_statements
"""
# What the checks in stack/exporters/sql.yml read, and no name, address or password of a customer.
_CHECKS_GRANTS = """
alter role {role} set default_transaction_read_only = on;
alter role {role} connection limit 5;
grant usage on schema public to {role};
grant select on orders, order_lines, settlements to {role};
grant select (customer_id) on customers to {role};
grant select (customer_id, day) on checkins to {role}
"""


def let_watch(connection: Connection, password: str) -> None:
    """Make the role that watches the server, or give it `password`.

    Raises:
        psycopg.Error: the database refused.
    """
    _let_in(connection, ROLE, password, _GRANTS)


def let_check(connection: Connection, password: str) -> None:
    """Make the role that checks the shop's data, or give it `password`.

    Raises:
        psycopg.Error: the database refused.
    """
    _let_in(connection, CHECKS_ROLE, password, _CHECKS_GRANTS)


def _let_in(connection: Connection, name: str, password: str, grants: str) -> None:
    """Make a role; the server, which logs what is slow, is told a verifier of its password."""
    role = sql.Identifier(name)
    verifier = connection.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256")
    verb = "alter" if connection.execute(_EXISTS, (name,)).fetchone() is not None else "create"
    login = sql.SQL(verb) + sql.SQL(" role {} login password {}").format(role, verifier.decode())
    connection.execute(login)
    tables = sql.SQL(", ").join(map(sql.Identifier, EXPLAINED))
    connection.execute(sql.SQL(grants).format(role=role, tables=tables))
