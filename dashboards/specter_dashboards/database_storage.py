"""Database, the lower half: statements, replication, storage, and how the exporter does."""

from specter_core import metrics
from specter_dashboards import database_queries as queries
from specter_dashboards.house import server_graph
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import COLOR_TEXT, GREEN, RED, YELLOW, Query, override, row, steps_json, table

SERVER = "{{server}}"
TABLE = "database, schema, table"
NAMED = f"{SERVER} {{{{database}}}}.{{{{schema}}}}.{{{{table}}}}"


def statements() -> Section:
    """Return what takes the server's time."""
    top = table(
        "Statements that take most time",
        "The ten with most seconds of running a second; constants are left out. Needs pg_stat_statements.",
        [
            Query(queries.statement_time()),
            Query(queries.statement_calls()),
            Query(queries.statement_mean()),
        ],
        unit="s",
        columns=[
            ("server", "server"),
            ("database", "database"),
            ("query", "statement"),
            ("Value #A", "seconds a second"),
            ("Value #B", "calls a second"),
            ("Value #C", "mean"),
        ],
        overrides=[override("calls a second", unit="cps")],
        sort="seconds a second",
        no_value="Unknown: no statement was told",
    )
    changes = server_graph(
        "Changes of plans",
        "Statements a second that had another plan than when they were asked about before.",
        [Query(queries.rate(metrics.PG_PLAN_CHANGES, "database"), f"{SERVER} {{{{database}}}}")],
        unit="cps",
    )
    plans = table(
        "Plans",
        "Generic plans of the statements that cost most, as EXPLAIN told them, in the planner's units; where "
        "the exporter is asked for them.",
        [Query(queries.plans()), Query(queries.plan_age())],
        unit="short",
        overrides=[override("told ago", unit="s")],
        columns=[
            ("server", "server"),
            ("database", "database"),
            ("query", "statement"),
            ("shape", "plan"),
            ("Value #A", "cost"),
            ("Value #B", "told ago"),
        ],
        sort="cost",
        no_value="Unknown: no plan was told",
    )
    return Section(row("Statements"), [Line(9, [top]), Line(9, [plans]), Line(7, [changes])])


def pools() -> Section:
    """Return pgbouncer's pools."""
    pool = f"{SERVER} {{{{database}}}} {{{{user}}}}"
    waiting = server_graph(
        "Longest wait for a connection",
        "How long the client of each pool that has waited the longest has waited.",
        [Query(queries.highest(metrics.PGBOUNCER_MAX_WAIT, by="database, user"), pool)],
        unit="s",
    )
    clients = server_graph(
        "Clients of pools",
        "Clients by state, and how many pgbouncer takes.",
        [
            Query(queries.total(metrics.PGBOUNCER_CLIENTS, by="state"), f"{SERVER} {{{{state}}}}"),
            Query(queries.highest(metrics.PGBOUNCER_MAX_CLIENTS), f"{SERVER} limit"),
        ],
        unit="short",
    )
    servers = server_graph(
        "Connections of pools",
        "Connections to the server by pool and state.",
        [
            Query(
                queries.total(metrics.PGBOUNCER_SERVERS, by="database, user, state"), f"{pool} {{{{state}}}}"
            )
        ],
        unit="short",
    )
    return Section(row("pgbouncer"), [Line(7, [waiting, clients, servers])])


def replication() -> Section:
    """Return standbys, slots and the archive."""
    lag = server_graph(
        "Standbys, by how far they are behind",
        "As the primary sees it: log that is not sent, written, flushed, replayed yet.",
        [
            Query(
                queries.highest(metrics.PG_STANDBY_LAG_BYTES, by="standby, stage"),
                f"{SERVER} {{{{standby}}}} {{{{stage}}}}",
            )
        ],
        unit="bytes",
    )
    replay = server_graph(
        "How old standbys are",
        "As the standby sees it: 0 while it receives and has replayed everything.",
        [Query(queries.highest(metrics.PG_REPLAY_LAG), SERVER)],
        unit="s",
    )
    slots = server_graph(
        "Log kept for slots",
        "What each replication slot keeps the server from removing.",
        [Query(queries.highest(metrics.PG_SLOT_RETAINED, by="slot"), f"{SERVER} {{{{slot}}}}")],
        unit="bytes",
    )
    states = server_graph(
        "Standbys connected and receiving",
        "Standbys that stream from a primary, and 1 for a standby that receives.",
        [
            Query(queries.highest(metrics.PG_STANDBYS, 'state="streaming"'), f"{SERVER} streaming"),
            Query(queries.highest(metrics.PG_RECEIVER_UP), f"{SERVER} receives"),
        ],
        unit="short",
    )
    archive = server_graph(
        "Archive",
        "Segments archived a second, and attempts that failed.",
        [
            Query(queries.rate(metrics.PG_ARCHIVED), f"{SERVER} archived"),
            Query(queries.rate(metrics.PG_ARCHIVE_FAILURES), f"{SERVER} failed"),
        ],
        unit="cps",
    )
    checkpoints = server_graph(
        "Checkpoints",
        "Checkpoints a second by cause; many requested ones: max_wal_size is too small.",
        [Query(queries.rate(metrics.PG_CHECKPOINTS, "cause"), f"{SERVER} {{{{cause}}}}")],
        unit="cps",
    )
    return Section(
        row("Replication and log"), [Line(7, [replay, lag, states]), Line(7, [slots, archive, checkpoints])]
    )


def backups() -> Section:
    """Return backups: age, size, last verification."""
    named = f"{SERVER} {{{{backup}}}}"
    age = server_graph(
        "Age of the newest backup",
        "Time since the newest backup of each kind was finished.",
        [Query(f"time() - {queries.highest(metrics.PG_BACKUP_TIME, by='backup')}", named)],
        unit="s",
    )
    size = server_graph(
        "Size of the newest backup",
        "As its file or the query says.",
        [Query(queries.highest(metrics.PG_BACKUP_BYTES, by="backup"), named)],
        unit="bytes",
    )
    verified = server_graph(
        "Since a backup was verified",
        "Time since somebody restored one; nothing where none was, or nothing tells it.",
        [Query(f"time() - {queries.highest(metrics.PG_BACKUP_VERIFIED_TIME, by='backup')}", named)],
        unit="s",
    )
    return Section(row("Backups"), [Line(7, [age, size, verified])])


def storage() -> Section:
    """Return sizes, and what wears out."""
    sizes = server_graph(
        "Size of databases",
        "On disk.",
        [Query(queries.highest(metrics.PG_DB_SIZE, by="database"), f"{SERVER} {{{{database}}}}")],
        unit="bytes",
    )
    tables = server_graph(
        "Largest tables",
        "Without indexes, by their pages when they were last vacuumed or analysed.",
        [Query(queries.fullest(metrics.PG_TABLE_BYTES, TABLE), NAMED)],
        unit="bytes",
    )
    dead = server_graph(
        "Share of dead rows",
        "Of the tables with ten thousand dead rows or more: where vacuum does not keep up.",
        [Query(queries.dead_share(), NAMED)],
        unit="percentunit",
    )
    age = server_graph(
        "Age of the oldest rows",
        "Transactions since the oldest that is not frozen, and at which age autovacuum freezes in any case.",
        [
            Query(queries.highest(metrics.PG_DB_XID_AGE, by="database"), f"{SERVER} {{{{database}}}}"),
            Query(queries.highest(metrics.PG_FREEZE_MAX_AGE), f"{SERVER} autovacuum"),
        ],
        unit="short",
    )
    sequences = table(
        "Fullest sequences",
        "Share of the values that are used up, by the smaller of its limit and that of its column's type.",
        [Query(queries.fullest(metrics.PG_SEQUENCE_USED, "database, schema, sequence"))],
        unit="percentunit",
        columns=[
            ("server", "server"),
            ("database", "database"),
            ("schema", "schema"),
            ("sequence", "sequence"),
            ("Value", "used"),
        ],
        overrides=[
            override(
                "used",
                thresholds=steps_json(((GREEN, None), (YELLOW, 0.8), (RED, 0.95))),
                custom__cellOptions=COLOR_TEXT,
            )
        ],
        sort="used",
    )
    wanting = table(
        "Tables that something may be done about",
        "missing_index: mostly read from end to end, and large. bloat: what dead rows take.",
        [Query(queries.fullest(metrics.PG_TABLE_PROBLEM_BYTES, "database, schema, table, problem", 20))],
        unit="bytes",
        columns=[
            ("server", "server"),
            ("database", "database"),
            ("schema", "schema"),
            ("table", "table"),
            ("problem", "problem"),
            ("Value", "size"),
        ],
        sort="size",
        no_value="None is known",
    )
    indexes = table(
        "Indexes that cost and do not help",
        "Invalid, unused since the counters were reset, or the same as another; size when last vacuumed.",
        [
            Query(
                queries.fullest(metrics.PG_INDEX_PROBLEM_BYTES, "database, schema, table, index, problem", 20)
            )
        ],
        unit="bytes",
        columns=[
            ("server", "server"),
            ("database", "database"),
            ("schema", "schema"),
            ("table", "table"),
            ("index", "index"),
            ("problem", "problem"),
            ("Value", "size"),
        ],
        sort="size",
        no_value="None is known",
    )
    return Section(
        row("Storage"),
        [Line(7, [sizes, tables]), Line(7, [dead, age]), Line(8, [wanting, indexes]), Line(8, [sequences])],
    )


def exporter() -> Section:
    """Return how long asking took, what was left out, and how old counters are."""
    duration = server_graph(
        "Duration of collectors",
        "What each took at the newest scrape; each has two seconds.",
        [
            Query(
                queries.highest(metrics.PG_COLLECTOR_DURATION, by="collector"), f"{SERVER} {{{{collector}}}}"
            )
        ],
        unit="s",
    )
    dropped = server_graph(
        "Series left out",
        "Over the collector's limit, or a second one of the same labels.",
        [Query(queries.highest(metrics.PG_DROPPED, by="collector"), f"{SERVER} {{{{collector}}}}")],
        unit="short",
    )
    running = server_graph(
        "Running for",
        "Time since the server started.",
        [Query(queries.since(metrics.PG_START), SERVER)],
        unit="s",
    )
    return Section(row("Exporter and server"), [Line(7, [duration, dropped, running])])
