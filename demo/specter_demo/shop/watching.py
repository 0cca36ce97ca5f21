"""The role that the exporter of the shop's database logs in as, with the grants its page asks for."""

from psycopg import sql

from specter_demo.shop.database import Connection

ROLE = "specter_exporter"
# Of these the plans of statements are told, which takes the right to read them: no customer is in them.
EXPLAINED = ("products", "orders", "order_lines", "checkins")
_EXISTS = "select from pg_roles where rolname = %s"
_GRANTS = """
grant pg_monitor to {role};
grant select on all sequences in schema public to {role};
grant select on {tables} to {role};
create extension if not exists pg_stat_statements
"""


def let_watch(connection: Connection, password: str) -> None:
    """Make the role, or give it `password`; the server, which logs what is slow, is told a verifier of it.

    Raises:
        psycopg.Error: the database refused.
    """
    role = sql.Identifier(ROLE)
    verifier = connection.pgconn.encrypt_password(password.encode(), ROLE.encode(), b"scram-sha-256")
    verb = "alter" if connection.execute(_EXISTS, (ROLE,)).fetchone() is not None else "create"
    login = sql.SQL(verb) + sql.SQL(" role {} login password {}").format(role, verifier.decode())
    connection.execute(login)
    tables = sql.SQL(", ").join(map(sql.Identifier, EXPLAINED))
    connection.execute(sql.SQL(_GRANTS).format(role=role, tables=tables))
