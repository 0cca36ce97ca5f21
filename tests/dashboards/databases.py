"""What the exporter of PostgreSQL would expose, for the dashboards' queries."""

SHOP = 'database="shop"'
POOL = f'{SHOP},user="app"'
STATEMENT = f'{SHOP},statement="42"'
TABLE = f'{SHOP},schema="public",table="%s"'
INDEX = f'{TABLE % "orders"},index="by_day",problem="unused"'


def _main(name: str, labels: str = "") -> str:
    return f'specter_pg_{name}{{server="main"{"," if labels else ""}{labels}}}'


def _pool(name: str, labels: str = "") -> str:
    return _main(name, labels).replace("specter_pg_", "specter_pgbouncer_")


GAUGES = {
    'server:specter_pg_connections:ratio_usable{server="main"}': 0.3,
    _main("up"): 1,
    'specter_pg_up{server="gone"}': 0,
    'specter_pg_failure{server="gone",reason="timeout"}': 1,
    'specter_pg_failure{server="gone",reason="auth"}': 0,
    _main("collector_failure", 'collector="tables",reason="lock_timeout"'): 1,
    _main("collector_duration_seconds", 'collector="tables"'): 0.01,
    _main("dropped_series", 'collector="tables"'): 0,
    _main("connections", f'{SHOP},state="idle"'): 20,
    _main("max_connections"): 100,
    _main("reserved_connections"): 3,
    _main("idle_connections_leaked", 'application="shop"'): 2,
    _main("longest_idle_in_transaction_seconds"): 0,
    _main("longest_transaction_seconds"): 1,
    _main("longest_statement_seconds"): 1,
    _main("longest_lock_wait_seconds"): 0,
    _main("waiting_sessions", 'wait_event_type="IO"'): 1,
    _main("locks", 'mode="AccessShareLock",state="held"'): 3,
    _main("blocked_sessions"): 0,
    _main("root_blockers"): 0,
    _main("database_size_bytes", SHOP): 1e9,
    _main("database_transaction_age", SHOP): 1e6,
    _main("freeze_max_age"): 2e8,
    _main("statement_info", f'{STATEMENT},query="SELECT $1"'): 1,
    _main("plan_info", f'{STATEMENT},plan="00aa",shape="Seq Scan on orders"'): 1,
    _main("plan_cost", STATEMENT): 1000,
    _main("table_problem_bytes", f'{TABLE % "orders"},problem="missing_index"'): 1e8,
    _main("backup_size_bytes", 'backup="nightly"'): 1e9,
    _pool("max_wait_seconds", POOL): 0,
    _pool("clients", f'{POOL},state="active"'): 5,
    _pool("servers", f'{POOL},state="active"'): 3,
    _pool("max_clients"): 100,
    _main("standby_lag_bytes", 'standby="b",stage="replayed"'): 0,
    _main("standbys", 'state="streaming"'): 1,
    _main("wal_receiver_up"): 1,
    _main("replay_lag_seconds"): 0,
    _main("replication_slot_retained_bytes", 'slot="b"'): 1e6,
    **{_main("table_size_bytes", TABLE % name): size for name, size in (("orders", 1e8), ("visits", 1e9))},
    **{_main("table_live_rows", TABLE % name): 80_000 for name in ("orders", "visits")},
    **{_main("table_dead_rows", TABLE % name): dead for name, dead in (("orders", 20_000), ("visits", 9))},
    _main("index_problem_bytes", INDEX): 1e6,
    _main("sequence_used_ratio", f'{SHOP},schema="public",sequence="orders_id_seq"'): 0.4,
}
COUNTERS = (
    *(
        _main(f"database_{name}_total", SHOP)
        for name in (
            "commits",
            "rollbacks",
            "deadlocks",
            "conflicts",
            "blocks_hit",
            "blocks_read",
            "rows_returned",
            "rows_changed",
            "temp_bytes",
        )
    ),
    _main("statement_seconds_total", STATEMENT),
    _main("statement_calls_total", STATEMENT),
    _main("plan_changes_total", STATEMENT),
    _main("archived_segments_total"),
    _main("archive_failures_total"),
    _main("checkpoints_total", 'cause="timed"'),
)
TIMES = (
    _main("start_timestamp_seconds"),
    _main("plan_timestamp_seconds", STATEMENT),
    _main("backup_timestamp_seconds", 'backup="nightly"'),
    _main("backup_verified_timestamp_seconds", 'backup="nightly"'),
)
