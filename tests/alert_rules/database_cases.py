"""Promtool cases of PostgreSQL."""

from tests.alert_rules.promtool import Case, Firing

FAMILY = "database"
MAIN = {"service": "postgres", "server": "main"}
GIB = 2**30
# Good for ten minutes, bad for ten, good again; a sample every five seconds.
UP_DOWN_UP, DOWN_UP_DOWN = "1x119 0x119 1x240", "0x119 1x119 0x240"


def pg(name: str, labels: str = "") -> str:
    """Name a series of the server."""
    return f'specter_pg_{name}{{service="postgres",server="main"{"," if labels else ""}{labels}}}'


def failure(reason: str) -> str:
    return pg("failure", f'reason="{reason}"')


def firing(summary: str, description: str, **labels: str) -> list[Firing]:
    return [Firing({**MAIN, **labels}, summary, description)]


def taken(percent: str, most: str) -> list[Firing]:
    return firing(
        f"PostgreSQL main has {percent} of its connections taken",
        f"{percent} of the connections that ordinary roles can have are taken on main; expected at "
        f"most {most}. At 100% clients are refused.",
    )


def connections(busy: str) -> dict[str, str]:
    """Of 103, of which three are reserved."""
    return {
        pg("connections", 'database="shop",state="active"'): busy,
        pg("connections", 'database="shop",state="idle"'): "10x480",
        pg("max_connections"): "103x480",
        pg("reserved_connections"): "3x480",
    }


ANSWERS = [
    Case(
        "PostgresDown",
        FAMILY,
        "fires with the newest reason, also when it changes, and resolves",
        {
            pg("up"): UP_DOWN_UP,
            failure("refused"): "0x119 1x19 0x340",
            failure("starting"): "0x139 1x99 0x240",
            failure("auth"): "0x480",
        },
        {
            "10m50s": [],
            "13m": firing(
                "PostgreSQL main does not answer",
                "The exporter has not been answered by main for 1m (`specter_pg_up` is 0, expected "
                "1); reason: starting.",
            ),
            "21m30s": [],
        },
    ),
    Case(
        "PostgresDown",
        FAMILY,
        "is silent at a restart, and for a server that turns the exporter away",
        {
            pg("up"): "1x119 0x10 1x119 0x240",
            failure("refused"): "0x119 1x10 0x360",
            failure("auth"): "0x249 1x240",
        },
        {"10m30s": [], "15m": [], "30m": []},
    ),
    Case(
        "PostgresTurnsExporterAway",
        FAMILY,
        "fires and resolves",
        {pg("up"): UP_DOWN_UP, failure("auth"): DOWN_UP_DOWN, failure("refused"): "0x480"},
        {
            "10m50s": [],
            "12m": firing(
                "PostgreSQL main does not let the exporter in",
                "main lives and turns the exporter away (1, expected 0); reason: auth. "
                "Nothing else is known of it.",
            ),
            "20m5s": [],
        },
    ),
    Case(
        "PostgresExporterDown",
        FAMILY,
        "fires for the exporter's job alone, and resolves",
        {
            'up{service="postgres",job="postgres",instance="a"}': UP_DOWN_UP,
            'up{service="shop",job="shop",instance="b"}': "0x480",
        },
        {
            "10m50s": [],
            "12m": [
                Firing(
                    {"service": "postgres", "job": "postgres"},
                    "PostgreSQL of postgres is not watched",
                    "1 targets of job postgres do not answer their scrape; expected 0. Nothing is known of "
                    "their servers, which may be well.",
                )
            ],
            "20m5s": [],
        },
    ),
    Case(
        "PostgresCollectorFailing",
        FAMILY,
        "fires after half an hour, whatever the reason is meanwhile, and resolves",
        {
            pg("collector_failure", 'collector="tables",reason="timeout"'): "_x9 1x30 stale",
            pg("collector_failure", 'collector="tables",reason="lock_timeout"'): "_x40 1x30 stale",
        },
        {
            "35m": [],
            "45m": firing(
                "Of PostgreSQL main, tables are not known",
                "The collector tables of main has failed for 30m (1, expected 0); reason: lock_timeout.",
                collector="tables",
            ),
            "75m": [],
        },
        interval="1m",
    ),
    Case(
        "PostgresCollectorFailing",
        FAMILY,
        "is silent for what the server does not have",
        {pg("collector_failure", 'collector="statements",reason="unsupported"'): "1x90"},
        {"80m": []},
        interval="1m",
    ),
    Case(
        "PostgresPrivilegeMissing",
        FAMILY,
        "fires by privilege and resolves",
        {
            pg("privilege", 'privilege="pg_read_all_stats"'): "0x40 1x20",
            pg("privilege", 'privilege="pg_read_all_settings"'): "1x60",
        },
        {
            "10m": [],
            "20m": firing(
                "The exporter's role lacks pg_read_all_stats on PostgreSQL main",
                "The role may not use pg_read_all_stats on main (value 0, expected 1): sessions of "
                "others are hidden, and what is counted of them is too low.",
                privilege="pg_read_all_stats",
            ),
            "45m": [],
        },
        interval="1m",
    ),
]
SESSIONS = [
    Case(
        "PostgresConnectionsCritical",
        FAMILY,
        "fires above 95 % of what ordinary roles can have, and resolves",
        connections("70x119 86x119 70x240"),
        {"10m50s": [], "12m": taken("96%", "95%"), "21m30s": []},
    ),
    Case(
        "PostgresConnectionsCritical",
        FAMILY,
        "is silent at half while two exporters watch one server, as in a release of the exporter",
        {
            series.replace("}", f',instance="{instance}"}}'): values
            for instance in "ab"
            for series, values in connections("40x300").items()
        },
        {"10m": [], "20m": []},
    ),
    Case(
        "PostgresConnectionsHigh",
        FAMILY,
        "fires above 80 % for five minutes, and resolves",
        connections("70x119 75x119 70x240"),
        {"14m50s": [], "16m": taken("85%", "80%"), "21m30s": []},
    ),
    Case(
        "PostgresConnectionsHigh",
        FAMILY,
        "is silent at exactly 80 %, and at a short rush",
        connections("70x119 80x49 70x240"),
        {"9m": [], "14m50s": [], "20m": []},
    ),
    Case(
        "PostgresConnectionsRunningOut",
        FAMILY,
        "fires while the pace leads to the limit, and resolves when it stays",
        {
            **connections("40x119 40+0.5x70 76x290"),
            pg("idle_connections_leaked", 'application="shop"'): "9x480",
        },
        {
            "10m": [],
            "14m30s": firing(
                "PostgreSQL main will soon have no connection left",
                "77% of the connections that ordinary roles can have are taken on main, more each minute for "
                "three minutes; at this pace all are taken within 15 minutes. Expected that pools give them "
                "back. Idle for long are most of application: shop.",
            ),
            "20m": [],
        },
    ),
    Case(
        "PostgresConnectionsRunningOut",
        FAMILY,
        "is silent for a pool that is opened at once, and for one that grows slowly",
        {
            **connections("20x119 60x119 60+0.01x240"),
        },
        {"10m30s": [], "12m": [], "14m": [], "35m": []},
    ),
    Case(
        "PostgresConnectionsLeaking",
        FAMILY,
        "fires while both rise, and resolves once the application was restarted",
        {
            pg("connections", 'database="shop",state="active"'): "5x240",
            pg("connections", 'database="shop",state="idle"'): "10x29 10+0.5x90 10x120",
            pg("idle_connections_leaked", 'application="shop"'): "2x39 2+0.5x80 stale",
            pg("idle_connections_leaked", 'application="report"'): "1x240",
        },
        {
            "1h": [],
            "1h50m": firing(
                "Connections to PostgreSQL main leak",
                "38 sessions of main have been idle for longer than `idle_limit`; they have become more for "
                "40 minutes, and all connections for 60; expected that pools give them back. Most are of "
                "application: shop.",
            ),
            "3h": [],
        },
        interval="1m",
    ),
    Case(
        "PostgresConnectionsLeaking",
        FAMILY,
        "is silent in an evening at which pools rest, and in a morning at which they grow",
        {
            pg("connections", 'database="shop",state="idle"'): "10+0.5x119 70x119",
            pg("idle_connections_leaked", 'application="shop"'): "20-0.1x119 8+0.5x119",
        },
        {"1h50m": [], "3h30m": []},
        interval="1m",
    ),
    Case(
        "PostgresIdleInTransaction",
        FAMILY,
        "fires above five minutes and resolves",
        {pg("longest_idle_in_transaction_seconds"): "0x119 0+5x119 0x120"},
        {
            "14m": [],
            "18m": firing(
                "A transaction on PostgreSQL main is open and idle",
                "A session of main has been idle in its transaction for 8m 0s; expected at most "
                "300s. It holds its locks, and vacuum cannot remove what it may still see.",
            ),
            "21m30s": [],
        },
    ),
    Case(
        "PostgresTransactionLong",
        FAMILY,
        "fires above three hours and resolves",
        {
            pg("longest_transaction_seconds"): "0+60x200 0x60",
            pg("longest_idle_in_transaction_seconds"): "0x260",
        },
        {
            "2h59m": [],
            "3h10m": firing(
                "A transaction on PostgreSQL main takes very long",
                "The oldest transaction of main began 3h 10m 0s ago; expected at most 10800s. Vacuum cannot "
                "remove what it may still see.",
            ),
            "3h25m": [],
        },
        interval="1m",
    ),
    Case(
        "PostgresTransactionLong",
        FAMILY,
        "is silent for one that is idle, which has an alert of its own",
        {
            pg("longest_transaction_seconds"): "0+60x260",
            pg("longest_idle_in_transaction_seconds"): "0+60x260",
        },
        {"3h30m": []},
        interval="1m",
    ),
    Case(
        "PostgresLockWaiting",
        FAMILY,
        "fires above a minute with the length of the queue, and resolves",
        {
            pg("longest_lock_wait_seconds"): "0x119 0+5x119 0x120",
            pg("blocked_sessions"): "0x119 3x119 0x120",
            pg("root_blockers"): "0x119 1x119 0x120",
        },
        {
            "10m50s": [],
            "11m10s": firing(
                "Sessions of PostgreSQL main wait for a lock",
                "A session of main has waited for a lock for 1m 10s; expected at most 60s. Blocked "
                "sessions: 3; roots of the queue: 1.",
            ),
            "21m10s": [],
        },
    ),
    Case(
        "PostgresLockStorm",
        FAMILY,
        "fires while those who give up are followed by others, and resolves",
        {
            pg("longest_lock_wait_seconds"): "0x119 4x119 0x120",
            pg("blocked_sessions"): "0x119 4x119 0x120",
            pg("root_blockers"): "0x119 1x119 0x120",
            pg("root_blocker_transaction_seconds"): "0x119 0+5x119 0x120",
        },
        {
            "11m20s": [],
            "14m": firing(
                "Sessions of PostgreSQL main queue for locks",
                "On average 4 sessions of main waited for a lock within 2m; expected at most 10, or 1 where "
                "one transaction has blocked others for 60s. Roots of the queue now: 1.",
            ),
            "23m30s": [],
        },
    ),
    Case(
        "PostgresLockStorm",
        FAMILY,
        "fires for many who wait for short transactions, and is silent for a few",
        {
            pg("blocked_sessions"): "0x119 20x119 5x120",
            pg("root_blockers"): "2x360",
            pg("root_blocker_transaction_seconds"): "1x360",
        },
        {
            "10m30s": [],
            "14m": firing(
                "Sessions of PostgreSQL main queue for locks",
                "On average 20 sessions of main waited for a lock within 2m; expected at most 10, or 1 where "
                "one transaction has blocked others for 60s. Roots of the queue now: 2.",
            ),
            "25m": [],
        },
    ),
    Case(
        "PostgresDeadlocks",
        FAMILY,
        "fires at more than four within a quarter of an hour, and resolves",
        {
            pg("database_deadlocks_total", 'database="shop"'): "0x9 0+1x10 10x40",
            pg("database_deadlocks_total", 'database="reports"'): "0x9 1x50",
        },
        {
            "11m": [],
            "20m": firing(
                "Transactions of shop on PostgreSQL main deadlock",
                "10 deadlocks in shop on main within 15m; expected at most 4. Each is a failed transaction.",
                database="shop",
            ),
            "40m": [],
        },
        interval="1m",
    ),
]
STATEMENT = 'database="shop",statement="00aa"'


def slow(seconds: str) -> list[Firing]:
    return firing(
        "A statement of shop on PostgreSQL main has become slow",
        f"Statement 00aa of shop on main takes {seconds} a call, and more than 0.25s of each second; "
        "expected at most 0.1s, or what it took an hour ago or yesterday. It is: select 1",
        database="shop",
        statement="00aa",
    )


STATEMENTS = [
    Case(
        "PostgresStatementSlow",
        FAMILY,
        "fires for one that was quick, and resolves when it is again",
        {
            pg("statement_info", 'database="shop",statement="00aa",query="select 1"'): "1x480",
            pg("statement_calls_total", STATEMENT): "0+10x480",
            pg("statement_seconds_total", STATEMENT): "0+0.1x119 12+10x119 1202+0.1x240",
        },
        {"9m": [], "14m": slow("1s"), "25m": []},
    ),
    Case(
        "PostgresStatementSlow",
        FAMILY,
        "fires for a new one, and is silent once it has been as slow for an hour",
        {
            pg("statement_info", 'database="shop",statement="00aa",query="select 1"'): "_x119 1x300",
            pg("statement_calls_total", STATEMENT): "_x119 5+60x300",
            pg("statement_seconds_total", STATEMENT): "_x119 5+60x300",
        },
        {"1h59m": [], "2h5m": slow("1s"), "3h45m": []},
        interval="1m",
    ),
    Case(
        "PostgresStatementSlow",
        FAMILY,
        "is silent for a report that is as slow each day, and for one that takes little of the time",
        {
            pg("statement_calls_total", STATEMENT): "0x60 0+1x60 60x1379 60+1x60",
            pg("statement_seconds_total", STATEMENT): "0x60 0+50x60 3000x1379 3000+50x60",
            pg("statement_calls_total", 'database="shop",statement="00bb"'): "0+1x1600",
            pg("statement_seconds_total", 'database="shop",statement="00bb"'): "0x1450 0+10x150",
        },
        {"25h30m": [], "25h55m": []},
        interval="1m",
    ),
]
STATEMENTS.extend(
    [
        Case(
            "PostgresPlanRegression",
            FAMILY,
            "fires when a plan that changed is slower, and resolves when it is quick again",
            {
                pg("statement_info", f'{STATEMENT},query="select 1"'): "1x240",
                pg("statement_calls_total", STATEMENT): "0+60x240",
                pg("statement_seconds_total", STATEMENT): "0+0.6x120 72.6+6x40 312.6+0.6x80",
                pg("plan_changes_total", STATEMENT): "0x120 1x120",
            },
            {
                "2h": [],
                "2h10m": firing(
                    "A statement of shop on PostgreSQL main has a worse plan",
                    "The plan of statement 00aa of shop on main changed within 1h, and a call takes 10 times "
                    "as long as before; expected at most 2. This resolves by itself. It is: select 1",
                    database="shop",
                    statement="00aa",
                ),
                "2h55m": [],
            },
            interval="1m",
        ),
        Case(
            "PostgresPlanRegression",
            FAMILY,
            "is silent for a new plan that is as quick, and for a slower one that takes nothing of the time",
            {
                pg("statement_calls_total", STATEMENT): "0+60x200",
                pg("statement_seconds_total", STATEMENT): "0+6x200",
                pg("plan_changes_total", STATEMENT): "0x120 1x80",
                pg("statement_calls_total", 'database="shop",statement="00bb"'): "0+1x200",
                pg("statement_seconds_total", 'database="shop",statement="00bb"'): "0+0.01x120 1.2+0.1x80",
                pg("plan_changes_total", 'database="shop",statement="00bb"'): "0x120 1x80",
            },
            {"2h10m": [], "2h30m": []},
            interval="1m",
        ),
    ]
)


def pool(name: str, labels: str = "") -> str:
    return pg(name, labels).replace("specter_pg_", "specter_pgbouncer_")


IN_POOL = 'database="shop",user="app"'
POOLS = [
    Case(
        "PgbouncerDown",
        FAMILY,
        "fires with the reason and resolves, and is silent for one that turns the exporter away",
        {
            pool("up"): "1x119 0x119 1x120 0x120",
            pool("failure", 'reason="refused"'): "0x119 1x119 0x240",
            pool("failure", 'reason="auth"'): "0x359 1x120",
        },
        {
            "10m50s": [],
            "13m": firing(
                "pgbouncer main does not answer",
                "The console of main has not answered the exporter for 1m (`specter_pgbouncer_up` is 0, "
                "expected 1); reason: refused.",
            ),
            "21m30s": [],
            "35m": [],
        },
    ),
    Case(
        "PgbouncerTurnsExporterAway",
        FAMILY,
        "fires and resolves",
        {pool("up"): UP_DOWN_UP, pool("failure", 'reason="auth"'): DOWN_UP_DOWN},
        {
            "10m50s": [],
            "12m": firing(
                "pgbouncer main does not let the exporter in",
                "main lives and turns the exporter away (1, expected 0); reason: auth. Nothing else is known "
                "of it.",
            ),
            "20m5s": [],
        },
    ),
    Case(
        "PgbouncerPoolSaturated",
        FAMILY,
        "fires when clients wait for over a second, not at a short rush, and resolves",
        {pool("max_wait_seconds", IN_POOL): "0x59 3x6 0x53 4x119 0x120"},
        {
            "5m30s": [],
            "10m50s": [],
            "12m": firing(
                "Clients of pgbouncer main wait for a connection to shop",
                "A client of pool shop / app on main has waited 4s for a connection; expected at most 1s.",
                database="shop",
                user="app",
            ),
            "22m": [],
        },
    ),
    Case(
        "PgbouncerClientsNearLimit",
        FAMILY,
        "fires above 85 % and resolves",
        {
            pool("clients", f'{IN_POOL},state="active"'): "50x119 80x119 50x120",
            pool("clients", f'{IN_POOL},state="waiting"'): "10x480",
            pool("max_clients"): "100x480",
        },
        {
            "14m50s": [],
            "16m": firing(
                "pgbouncer main has 90% of its clients",
                "90% of the clients that main takes are there; expected at most 85%. At 100% it refuses "
                "them.",
            ),
            "21m30s": [],
        },
    ),
]
NIGHTLY = 'backup="nightly"'


def of_backup(summary: str, description: str) -> list[Firing]:
    return firing(summary, description, backup="nightly")


BACKUPS = [
    Case(
        "PostgresBackupMissing",
        FAMILY,
        "fires where there is none, and resolves",
        {pg("backups", NIGHTLY): "3x9 0x30 1x20"},
        {
            "20m": [],
            "30m": of_backup(
                "There is no backup nightly of PostgreSQL main",
                "No backup nightly of PostgreSQL main has been found for 15m (0, expected at least 1). What "
                "is lost now is lost for good.",
            ),
            "45m": [],
        },
        interval="1m",
    ),
    Case(
        "PostgresBackupOld",
        FAMILY,
        "fires above 26 hours and resolves with the next",
        {pg("backup_timestamp_seconds", NIGHTLY): "0x162 97000x20"},
        {
            "26h": [],
            "27h": of_backup(
                "The newest backup nightly of PostgreSQL main is 1d 3h 0m 0s old",
                "The newest backup nightly of PostgreSQL main was finished 1d 3h 0m 0s ago; expected at most "
                "26h. What was written since is in no backup.",
            ),
            "27h20m": [],
        },
        interval="10m",
    ),
    Case(
        "PostgresBackupShrunk",
        FAMILY,
        "fires below half, not for one that is a little smaller, and resolves with a whole one",
        {
            pg("backup_size_bytes", NIGHTLY): "1000x24 400x24 1100x24",
            pg("backup_size_bytes", 'backup="base"'): "1000x24 600x48",
        },
        {
            "23h": [],
            "30h": of_backup(
                "The newest backup nightly of PostgreSQL main is much smaller than before",
                "The newest backup nightly of PostgreSQL main has 40% of the largest size within 8d; "
                "expected at least 50%. It may lack tables, or its end.",
            ),
            "50h": [],
        },
        interval="1h",
    ),
    Case(
        "PostgresBackupNeverVerified",
        FAMILY,
        "fires after a day and resolves",
        {pg("backup_verified", NIGHTLY): "0x30 1x10"},
        {
            "20h": [],
            "26h": of_backup(
                "No backup nightly of PostgreSQL main was ever verified",
                "It is told when a backup nightly of PostgreSQL main is verified, and none was (0, expected "
                "1) for 1d. A backup that nobody has restored may be none.",
            ),
            "32h": [],
        },
        interval="1h",
    ),
    Case(
        "PostgresBackupVerificationOld",
        FAMILY,
        "fires after 35 days and resolves",
        {pg("backup_verified_timestamp_seconds", NIGHTLY): "0x144 3110400x4"},
        {
            "34d": [],
            "36d": of_backup(
                "No backup nightly of PostgreSQL main was verified for 36d 0h 0m 0s",
                "A backup nightly of PostgreSQL main was last verified 36d 0h 0m 0s ago; expected at most "
                "35d.",
            ),
            "36d12h": [],
        },
        interval="6h",
    ),
]
SLOT = 'slot="copy"'
REPLICATION = [
    Case(
        "PostgresReceiverDown",
        FAMILY,
        "fires and resolves",
        {pg("wal_receiver_up"): UP_DOWN_UP},
        {
            "14m50s": [],
            "16m": firing(
                "Standby main receives nothing from its primary",
                "Standby main has not received from its primary for 5m (`specter_pg_wal_receiver_up` is 0, "
                "expected 1), and it did within 3d. What it shows becomes older.",
            ),
            "20m5s": [],
        },
    ),
    Case(
        "PostgresReceiverDown",
        FAMILY,
        "goes on for longer than it looks back, and resolves",
        {pg("wal_receiver_up"): "1x15 0x1484 1x40"},
        {
            "96h": firing(
                "Standby main receives nothing from its primary",
                "Standby main has not received from its primary for 5m (`specter_pg_wal_receiver_up` is 0, "
                "expected 1), and it did within 3d. What it shows becomes older.",
            ),
            "101h": [],
        },
        interval="4m",
    ),
    Case(
        "PostgresReceiverDown",
        FAMILY,
        "is silent for a standby that reads an archive, and so is the lag",
        {pg("wal_receiver_up"): "0x480", pg("replay_lag_seconds"): "900x480"},
        {"30m": []},
    ),
    Case(
        "PostgresReplayLagging",
        FAMILY,
        "fires and resolves",
        {
            pg("wal_receiver_up"): "1x480",
            pg("replay_lag_seconds"): "0x119 600x119 0x240",
            pg("replay_lag_bytes"): "0x119 2048x119 0x240",
            pg("replay_paused"): "0x119 1x119 0x240",
        },
        {
            "11m50s": [],
            "12m30s": firing(
                "Standby main is 10m 0s behind",
                "What standby main shows is 10m 0s old; expected at most 60s. Received and not "
                "replayed: 2kiB. Replay is paused: yes.",
            ),
            "20m5s": [],
        },
    ),
    Case(
        "PostgresReplayLagging",
        FAMILY,
        "is silent for one that is cut off, which has an alert of its own, or reads an archive",
        {pg("wal_receiver_up"): "0x480", pg("replay_lag_seconds"): "900x480"},
        {"30m": []},
    ),
    Case(
        "PostgresStandbyGone",
        FAMILY,
        "fires for who was connected, not for a backup that is done, and resolves",
        {
            pg("up"): "1x200",
            pg("in_recovery"): "0x200",
            pg("collector_success", 'collector="replication"'): "1x200",
            pg("standby_lag_bytes", 'standby="b",stage="replayed"'): "2048x20 stale _x100",
            pg("standby_lag_bytes", 'standby="c",stage="replayed"'): "0x200",
            pg("standby_lag_bytes", 'standby="pg_16400_sync_16385_7",stage="replayed"'): "0x20 stale _x100",
            pg("standby_lag_bytes", 'standby="pg_basebackup",stage="sent"'): "0x20 stale _x100",
        },
        {
            "25m": [],
            "30m": firing(
                "Standby b of PostgreSQL main is gone",
                "b streamed from main within 1h and has not been connected for 5m; it was 2kiB "
                "behind, expected that it stays. This resolves by itself after 1h.",
                standby="b",
            ),
            "85m": [],
        },
        interval="1m",
    ),
    Case(
        "PostgresStandbyGone",
        FAMILY,
        "is silent while the primary is not asked, and for what was a primary",
        {
            pg("collector_success", 'collector="replication"'): "1x20 0x40 1x40",
            pg("in_recovery"): "0x60 1x40",
            pg("standby_lag_bytes", 'standby="b",stage="replayed"'): "0x20 stale _x80",
        },
        {"30m": [], "55m": [], "70m": []},
        interval="1m",
    ),
    Case(
        "PostgresSlotInactive",
        FAMILY,
        "fires from 1 GiB on, and resolves when it is read again",
        {
            pg("replication_slot_active", SLOT): "0x60 1x20",
            pg("replication_slot_retained_bytes", SLOT): f"0x9 {2 * GIB}x70",
            pg("replication_slot_active", 'slot="small"'): "0x80",
            pg("replication_slot_retained_bytes", 'slot="small"'): f"{GIB}x80",
        },
        {
            "20m": [],
            "30m": firing(
                "Slot copy of PostgreSQL main keeps the log and nobody reads it",
                "Slot copy keeps 2GiB of log on main, and it was not read for 15m; expected at most 1 GiB. "
                "It fills the disk.",
                slot="copy",
            ),
            "65m": [],
        },
        interval="1m",
    ),
    Case(
        "PostgresSlotGrowing",
        FAMILY,
        "fires while it becomes more, and resolves when it does not",
        {
            pg("replication_slot_active", SLOT): "1x240",
            pg("replication_slot_retained_bytes", SLOT): f"0x59 0+{GIB // 4}x60 {GIB}x100",
        },
        {
            "80m": [],
            "2h": firing(
                "The reader of slot copy of PostgreSQL main does not keep up",
                "Slot copy keeps 11.25GiB of log on main and it becomes more; expected at most 5 GiB. "
                "It fills the disk.",
                slot="copy",
            ),
            "140m": [],
        },
        interval="1m",
    ),
    Case(
        "PostgresSlotGrowing",
        FAMILY,
        "is silent for a load that comes and goes, and for one that stays at its level",
        {
            pg("replication_slot_active", SLOT): "1x240",
            pg("replication_slot_retained_bytes", SLOT): f"0x59 {8 * GIB}x20 0x100",
            pg("replication_slot_active", 'slot="even"'): "1x240",
            pg("replication_slot_retained_bytes", 'slot="even"'): f"{8 * GIB}x240",
        },
        {"75m": [], "85m": [], "2h": []},
        interval="1m",
    ),
    Case(
        "PostgresSlotLost",
        FAMILY,
        "fires after a minute, not for the others, and resolves when the slot is dropped",
        {
            pg("replication_slot_lost", SLOT): "0x9 1x20 stale",
            pg("replication_slot_lost", 'slot="well"'): "0x60",
        },
        {
            "10m": [],
            "12m": firing(
                "The reader of slot copy of PostgreSQL main can never go on",
                "main has removed what the reader of slot copy needs next "
                "(`specter_pg_replication_slot_lost` is 1, expected 0). Nothing reaches it any more.",
                slot="copy",
            ),
            "35m": [],
        },
        interval="1m",
    ),
    Case(
        "PostgresArchiveFailing",
        FAMILY,
        "fires while nothing is archived, and resolves with the next segment",
        {
            pg("archive_failures_total"): "0x9 0+3x40 120x30",
            pg("last_archive_failure_timestamp_seconds"): "_x9 600+60x40 3000x30",
            pg("last_archived_timestamp_seconds"): "300x50 3060x30",
        },
        {
            "20m": [],
            "40m": firing(
                "PostgreSQL main cannot archive its log",
                "45 attempts of main to archive its log failed within 15m and none succeeded since "
                "the newest of them; expected 0. Backups end here, and the disk fills up.",
            ),
            "55m": [],
        },
        interval="1m",
    ),
    Case(
        "PostgresArchiveFailing",
        FAMILY,
        "fires also where nothing was ever archived",
        {
            pg("archive_failures_total"): "0x9 0+3x60",
            pg("last_archive_failure_timestamp_seconds"): "_x9 600+60x60",
        },
        {
            "40m": firing(
                "PostgreSQL main cannot archive its log",
                "45 attempts of main to archive its log failed within 15m and none succeeded since "
                "the newest of them; expected 0. Backups end here, and the disk fills up.",
            ),
        },
        interval="1m",
    ),
    Case(
        "PostgresArchiveFailing",
        FAMILY,
        "is silent for an attempt that succeeds at the second try",
        {
            pg("archive_failures_total"): "0x9 0+1x60",
            pg("last_archive_failure_timestamp_seconds"): "_x9 600+60x60",
            pg("last_archived_timestamp_seconds"): "_x9 601+60x60",
        },
        {"30m": [], "50m": []},
        interval="1m",
    ),
]


def aged(value: str, most: str) -> list[Firing]:
    return firing(
        "shop on PostgreSQL main is not frozen in time",
        f"The oldest row of shop on main that is not frozen is {value} transactions old; expected at "
        f"most {most}. Near 2.1G the server takes no more writes.",
        database="shop",
    )


def used(percent: str, most: str) -> list[Firing]:
    return firing(
        "Sequence public.orders_id_seq on PostgreSQL main ends soon",
        f"{percent} of the values of public.orders_id_seq in shop on main are used up; expected at "
        f"most {most}. At 100% inserts fail.",
        database="shop",
        schema="public",
        sequence="orders_id_seq",
    )


AGE = pg("database_transaction_age", 'database="shop"')
SEQUENCE = pg("sequence_used_ratio", 'database="shop",schema="public",sequence="orders_id_seq"')
INDEX = 'database="shop",schema="public",table="orders",index="by_day",problem="%s"'
LIMITS = [
    Case(
        "PostgresWraparoundCritical",
        FAMILY,
        "fires above 1.8 billion and resolves",
        {AGE: "1800000000x9 1900000000x30 200000000x20"},
        {"20m": [], "30m": aged("1.9G", "1.8G"), "45m": []},
        interval="1m",
    ),
    Case(
        "PostgresWraparoundNearing",
        FAMILY,
        "fires above a billion, leaves what is worse to the critical one, and resolves",
        {AGE: "1000000000x9 1100000000x30 1900000000x20", pg("freeze_max_age"): "200000000x60"},
        {"20m": [], "30m": aged("1.1G", "1G"), "45m": []},
        interval="1m",
    ),
    Case(
        "PostgresWraparoundNearing",
        FAMILY,
        "is silent where autovacuum is told to wait for longer",
        {AGE: "1500000000x60", pg("freeze_max_age"): "1500000000x60"},
        {"50m": []},
        interval="1m",
    ),
    Case(
        "PostgresSequenceEndingCritical",
        FAMILY,
        "fires above 95 % and resolves",
        {SEQUENCE: "0.95x9 0.96x30 0.1x20"},
        {"20m": [], "30m": used("96%", "95%"), "45m": []},
        interval="1m",
    ),
    Case(
        "PostgresSequenceEnding",
        FAMILY,
        "fires above 80 %, leaves what is worse to the critical one, and resolves",
        {SEQUENCE: "0.8x9 0.9x30 0.96x20"},
        {"20m": [], "30m": used("90%", "80%"), "45m": []},
        interval="1m",
    ),
    Case(
        "PostgresIndexInvalid",
        FAMILY,
        "fires after three hours, not for one that is unused, and resolves",
        {
            pg("index_problem", INDEX % "invalid"): "1x200 stale",
            pg("index_problem", INDEX % "unused"): "1x240",
        },
        {
            "2h50m": [],
            "3h10m": firing(
                "Index public.by_day on PostgreSQL main is invalid",
                "by_day of public.orders in shop on main has been invalid for 3h (value 1, expected 0): a "
                "concurrent build failed. It slows writes and serves no read.",
                database="shop",
                schema="public",
                table="orders",
                index="by_day",
            ),
            "3h25m": [],
        },
        interval="1m",
    ),
]
CASES = [*ANSWERS, *SESSIONS, *STATEMENTS, *POOLS, *BACKUPS, *REPLICATION, *LIMITS]
