"""Database: PostgreSQL servers, from what is wrong now down to statements, tables and the exporter."""

from functools import partial
from typing import Any

from specter_core import metrics
from specter_dashboards import database_queries as queries
from specter_dashboards.database_storage import (
    backups,
    exporter,
    pools,
    replication,
    statements,
    storage,
)
from specter_dashboards.house import (
    choice_variable,
    dashboard,
    datasource,
    server_graph,
    server_state,
    service_variable,
)
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    ORANGE,
    RED,
    YELLOW,
    Query,
    row,
    table,
    yes_or_no,
)

SERVER = "{{server}}"
UNASKED = "Unknown: no server was asked"

_state = partial(server_state, no_value=UNASKED)


def database_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_DATABASE,
        title="Database",
        description="PostgreSQL: sessions, locks, work, statements, pools, replication, storage.",
        sections=[
            *(_now(), _sessions(), _work(), statements(), pools()),
            *(replication(), backups(), storage(), exporter()),
        ],
        variables=[datasource(), service_variable(), _server()],
    )


def _server() -> Any:
    either = f"{metrics.PG_UP.name}|{metrics.PGBOUNCER_UP.name}"
    return choice_variable(
        "server", "Server", f'label_values({{__name__=~"{either}", service=~"$service"}}, server)'
    )


def _now() -> Section:
    up = yes_or_no(
        "Servers",
        "Whether the server took a connection of the exporter's and answered, at the newest scrape.",
        [Query(queries.highest(metrics.PG_UP), SERVER)],
        "Up",
        "No answer",
        no_value=UNASKED,
    )
    numbers = [
        _state(
            "Connections taken",
            "Of those that ordinary roles can have. Alerts at 80 and 95 %.",
            queries.of(metrics.SERVER_CONNECTIONS_USED),
            "percentunit",
            (YELLOW, 0.8),
            (RED, 0.95),
        ),
        _state(
            "Longest wait for a lock",
            "How long the session that has waited the longest has waited. Alert at a minute.",
            queries.highest(metrics.PG_LONGEST_LOCK_WAIT),
            "s",
            (YELLOW, 10),
            (RED, 60),
        ),
        _state(
            "Longest idle in transaction",
            "How long a session has been idle in its transaction. Alert at five minutes.",
            queries.highest(metrics.PG_LONGEST_IDLE_TRANSACTION),
            "s",
            (YELLOW, 60),
            (RED, 300),
        ),
        _state(
            "Standby behind",
            "How old what a standby shows may be. Alert above a minute, for two. Absent on a primary.",
            queries.highest(metrics.PG_REPLAY_LAG),
            "s",
            (YELLOW, 30),
            (RED, 60),
        ),
        _state(
            "Oldest rows not frozen",
            "In transactions. Alerts at 1 and 1.8 billion; near 2.1 billion the server takes no more writes.",
            queries.highest(metrics.PG_DB_XID_AGE),
            "short",
            (ORANGE, 1e9),
            (RED, 1.8e9),
        ),
    ]
    unreachable = table(
        "Servers without an answer",
        "Why the server could not be asked. Empty while all answer, or nothing is watched.",
        [Query(queries.unreachable())],
        unit="short",
        columns=[("service", "service"), ("server", "server"), ("reason", "reason")],
        no_value="No failure is known",
    )
    partial = table(
        "What is not known",
        "Collectors that failed at the newest scrape, and why. What they tell is absent meanwhile.",
        [Query(queries.highest(metrics.PG_COLLECTOR_FAILURE, by="collector, reason"))],
        unit="short",
        columns=[("server", "server"), ("collector", "collector"), ("reason", "reason")],
        no_value="No failure is known",
    )
    return Section(row("What is wrong now"), [Line(5, [up, *numbers]), Line(6, [unreachable, partial])])


def _sessions() -> Section:
    connections = server_graph(
        "Connections",
        "Sessions of clients by state, and how many ordinary roles can have.",
        [
            Query(queries.total(metrics.PG_CONNECTIONS, by="state"), f"{SERVER} {{{{state}}}}"),
            Query(queries.usable(), f"{SERVER} limit"),
        ],
        unit="short",
    )
    leaked = server_graph(
        "Connections idle for long",
        "Sessions idle for longer than the exporter's idle_limit, by application. A pool keeps few of them.",
        [Query(queries.total(metrics.PG_LEAKED, by="application"), f"{SERVER} {{{{application}}}}")],
        unit="short",
    )
    longest = server_graph(
        "Longest transaction, statement, idle transaction",
        "How long the oldest of each has lasted.",
        [
            Query(queries.highest(metrics.PG_LONGEST_TRANSACTION), f"{SERVER} transaction"),
            Query(queries.highest(metrics.PG_LONGEST_STATEMENT), f"{SERVER} statement"),
            Query(queries.highest(metrics.PG_LONGEST_IDLE_TRANSACTION), f"{SERVER} idle in transaction"),
        ],
        unit="s",
    )
    waiting = server_graph(
        "What active sessions wait for",
        "Active sessions that wait, by type: Lock is another session, IO the disk, LWLock the server itself.",
        [Query(queries.total(metrics.PG_WAITING, by="wait_event_type"), f"{SERVER} {{{{wait_event_type}}}}")],
        unit="short",
    )
    blocked = server_graph(
        "Blocked sessions and who blocks them",
        "Sessions that wait for another's lock, and those that block and wait for nobody: what to end first.",
        [
            Query(queries.highest(metrics.PG_BLOCKED), f"{SERVER} blocked"),
            Query(queries.highest(metrics.PG_ROOT_BLOCKERS), f"{SERVER} roots"),
        ],
        unit="short",
    )
    locks = server_graph(
        "Locks by mode",
        "Locks of relations and transactions, held and waited for.",
        [Query(queries.total(metrics.PG_LOCKS, by="mode, state"), f"{SERVER} {{{{mode}}}} {{{{state}}}}")],
        unit="short",
    )
    return Section(
        row("Sessions and locks"),
        [Line(8, [connections, leaked, longest]), Line(8, [blocked, waiting, locks])],
    )


def _work() -> Section:
    database = f"{SERVER} {{{{database}}}}"
    commits = server_graph(
        "Transactions",
        "Transactions committed a second, by database.",
        [Query(queries.rate(metrics.PG_DB_COMMITS, "database"), database)],
        unit="cps",
    )
    rollbacks = server_graph(
        "Share rolled back",
        "Transactions rolled back over all, by database.",
        [Query(queries.rollback_ratio(), database)],
        unit="percentunit",
    )
    troubles = server_graph(
        "Deadlocks and conflicts",
        "Deadlocks a second, and queries of a standby that replay cancelled.",
        [
            Query(queries.rate(metrics.PG_DB_DEADLOCKS, "database"), f"{database} deadlocks"),
            Query(queries.rate(metrics.PG_DB_CONFLICTS, "database"), f"{database} conflicts"),
        ],
        unit="cps",
    )
    cache = server_graph(
        "Cache hit ratio",
        "Share of blocks that were in the server's cache; the rest may still be in the operating system's.",
        [Query(queries.hit_ratio(), database)],
        unit="percentunit",
    )
    rows = server_graph(
        "Rows read and changed",
        "Rows a second that scans read, and that were inserted, updated or deleted.",
        [
            Query(queries.rate(metrics.PG_DB_ROWS_RETURNED, "database"), f"{database} read"),
            Query(queries.rate(metrics.PG_DB_ROWS_CHANGED, "database"), f"{database} changed"),
        ],
        unit="cps",
    )
    temporary = server_graph(
        "Temporary files",
        "Bytes a second that sorts and joins wrote because they did not fit into work_mem.",
        [Query(queries.rate(metrics.PG_DB_TEMP_BYTES, "database"), database)],
        unit="Bps",
    )
    return Section(row("Work"), [Line(7, [commits, rollbacks, troubles]), Line(7, [cache, rows, temporary])])
