"""The statements that take the most time, out of pg_stat_statements."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from psycopg import sql

from specter_core import metrics
from specter_exporters.postgres.failures import UnsupportedError
from specter_exporters.postgres.masking import masked
from specter_exporters.postgres.model import Fact, facts
from specter_exporters.postgres.session import Session

TEXTS = 1000
LEAST_CALLS = 5
# An upgrade of the server leaves the extension's version: since 1.8 it has times of execution (that of
# PostgreSQL 13), since 1.9 the time of its reset (that of 14).
_INSTALLED = """
SELECT n.nspname, e.extversion, v.number >= '{1,8}', v.number >= '{1,9}'
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
CROSS JOIN LATERAL (SELECT string_to_array(e.extversion, '.')::int[] AS number) v
WHERE e.extname = 'pg_stat_statements'
"""
# Without texts, which are in a file that the server would read whole. Sums of bigint would be numeric, and
# two short lists cost half of what two rankings of everything do.
_NUMBERS = """
WITH of_users AS MATERIALIZED (
  SELECT queryid, dbid, sum(calls::float8) AS calls, sum(total_exec_time) AS ms,
         sum(rows::float8) AS rows, sum(shared_blks_read::float8) AS blocks
  FROM {schema}.pg_stat_statements(false) WHERE queryid IS NOT NULL {only} GROUP BY 1, 2
), chosen AS (
  (SELECT * FROM of_users ORDER BY ms DESC LIMIT %s)
  UNION (SELECT * FROM of_users WHERE calls >= {calls} ORDER BY ms / calls DESC LIMIT %s)
)
SELECT c.queryid, d.datname, c.calls, c.ms / 1000, c.rows, c.blocks
FROM chosen c JOIN pg_database d ON d.oid = c.dbid
"""
# Of the session's database, and nobody's that asks as this role.
_OWN_DATABASE = """
AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
AND userid <> current_user::regrole
"""
_TEXTS = "SELECT queryid, query FROM {schema}.pg_stat_statements(true) WHERE queryid = ANY(%s)"
_RESET = "SELECT extract(epoch FROM stats_reset)::float8 FROM {schema}.pg_stat_statements_info"


def collector(most: int) -> Callable[[Session], Iterable[Fact]]:
    """Return the collector of `most` statements by total time and half as many by mean time.

    It remembers texts, of the statements seen last.
    """
    texts: OrderedDict[int, str] = OrderedDict()

    def collect(session: Session) -> Iterable[Fact]:
        schema, tells_reset = _installed(session)

        def query(text: str) -> sql.Composed:
            return sql.SQL(text).format(schema=schema, calls=sql.Literal(LEAST_CALLS), only=sql.SQL(""))

        if tells_reset:
            yield from facts((metrics.PG_STATEMENTS_RESET, [], session.row(query(_RESET))[0]))
        rows = session.rows(query(_NUMBERS), [most, most // 2])
        unknown = sorted({row[0] for row in rows} - texts.keys())
        if unknown:
            texts.update(
                (identifier, masked(text))
                for identifier, text in session.rows(query(_TEXTS), [unknown])
                if text
            )
        for identifier, database, calls, seconds, returned, blocks in rows:
            labels = [as_label(identifier), database]
            if identifier in texts:
                texts.move_to_end(identifier)
                yield Fact(metrics.PG_STATEMENT_INFO, [*labels, texts[identifier]], 1)
            yield from facts(
                (metrics.PG_STATEMENT_CALLS, labels, calls),
                (metrics.PG_STATEMENT_SECONDS, labels, seconds),
                (metrics.PG_STATEMENT_ROWS, labels, returned),
                (metrics.PG_STATEMENT_BLOCKS_READ, labels, blocks),
            )
        while len(texts) > TEXTS:
            texts.popitem(last=False)

    return collect


def as_label(identifier: int) -> str:
    """Return a queryid as the value of the label `statement`: 16 hexadecimal digits, without a sign."""
    return f"{identifier & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def chosen(session: Session, most: int) -> list[int]:
    """Return statements of others in this database: `most` by total time, half as many by mean time."""
    schema, _ = _installed(session)
    query = sql.SQL(_NUMBERS).format(
        schema=schema, calls=sql.Literal(LEAST_CALLS), only=sql.SQL(_OWN_DATABASE)
    )
    return [row[0] for row in session.rows(query, [most, most // 2])]


def texts_of(session: Session, identifiers: Sequence[int]) -> dict[int, str]:
    """Return the texts of statements as the server has them, constants of utility statements included."""
    schema, _ = _installed(session)
    query = sql.SQL(_TEXTS).format(schema=schema)
    return {identifier: text for identifier, text in session.rows(query, [list(identifiers)]) if text}


def _installed(session: Session) -> tuple[sql.Identifier, bool]:
    """Return the extension's schema, and whether it tells when it was reset."""
    found = session.rows(_INSTALLED)
    if not found:
        raise UnsupportedError(f"pg_stat_statements is not installed in database {session.database}")
    [(schema, version, tells_times, tells_reset)] = found
    if not tells_times:
        raise UnsupportedError(
            f"pg_stat_statements is of version {version} in database {session.database}, expected 1.8 or "
            "later: ALTER EXTENSION pg_stat_statements UPDATE"
        )
    return sql.Identifier(schema), tells_reset
