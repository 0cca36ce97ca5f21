"""What the exporter of SQL checks would expose, for the dashboards' queries."""


def _of(check: str, name: str, labels: str = "", database: str = "shop") -> str:
    return f'specter_sql_{name}{{database="{database}",check="{check}"{"," if labels else ""}{labels}}}'


GAUGES = {
    'specter_sql_up{database="shop"}': 1,
    'specter_sql_up{database="copy"}': 0,
    'specter_sql_failure{database="copy",reason="timeout"}': 1,
    'specter_sql_failure{database="copy",reason="auth"}': 0,
    _of("paid", "check_info", 'kind="integrity",severity="critical"'): 1,
    _of("orphans", "check_info", 'kind="integrity",severity="warning"'): 1,
    **{_of(check, "check_interval_seconds"): 60 for check in ("paid", "orphans", "slow", "gone")},
    **{_of(check, "check_success"): 1 for check in ("paid", "orphans", "slow")},
    _of("gone", "check_success"): 0,
    _of("gone", "check_failure", 'reason="query"'): 1,
    **{_of(check, "check_stale"): 0 for check in ("paid", "orphans", "gone")},
    _of("slow", "check_stale"): 1,
    _of("paid", "check_duration_seconds"): 3,
    _of("paid", "check_violations"): 7,
    _of("orphans", "check_violations"): 0,
    _of("orders", "business_value", 'group="paid"'): 120,
    **{
        _of("copied", "sync_rows", f'side="{side}"', "copy"): rows
        for side, rows in (("source", 9), ("target", 8))
    },
    **{
        _of("copied", f"sync_{name}", database="copy"): value
        for name, value in (
            ("row_difference", 1),
            ("row_difference_limit", 5),
            ("lag_seconds", 30),
            ("lag_limit_seconds", 60),
            ("mark_difference", 2),
            ("mark_difference_limit", 10),
        )
    },
}
COUNTERS = (
    _of("gone", "check_failed_runs_total"),
    _of("orders", "business_dropped_groups_total"),
)
TIMES = (_of("paid", "check_last_success_timestamp_seconds"),)
