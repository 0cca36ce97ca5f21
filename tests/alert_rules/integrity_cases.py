"""Promtool cases of checks of data."""

from tests.alert_rules.promtool import Case, Firing

FAMILY = "integrity"
SHOP = {"service": "shop", "database": "shop"}
PAID = {**SHOP, "check": "paid"}
# Good for ten minutes, bad for ten, good again; a sample every five seconds.
UP_DOWN_UP, DOWN_UP_DOWN = "1x119 0x119 1x240", "0x119 1x119 0x240"


def series(name: str, **labels: str) -> str:
    """Name a series of the check."""
    written = ",".join(f'{key}="{value}"' for key, value in {**PAID, **labels}.items())
    return f"specter_sql_{name}{{{written}}}"


def of_database(name: str, **labels: str) -> str:
    written = ",".join(f'{key}="{value}"' for key, value in {**SHOP, **labels}.items())
    return f"specter_sql_{name}{{{written}}}"


def info(severity: str) -> str:
    return series("check_info", kind="integrity", severity=severity)


def violated(amount: str) -> Firing:
    return Firing(
        PAID,
        "The data in shop is not as paid wants it",
        f"The check paid of shop finds {amount} violations; expected 0. They are of its newest run.",
    )


VIOLATED = [
    Case(
        alert,
        FAMILY,
        "fires with the number of its newest run, and resolves",
        {series("check_violations"): "0x119 3x60 7x60 0x240", info(severity): "1x480"},
        {"9m": [], "12m": [violated("3")], "17m": [violated("7")], "25m": []},
    )
    for alert, severity in (("IntegrityViolatedCritical", "critical"), ("IntegrityViolated", "warning"))
]
VIOLATED += [
    Case(
        "IntegrityViolatedCritical",
        FAMILY,
        "is silent about a check that is no more than a warning",
        {series("check_violations"): "0x119 3x360", info("warning"): "1x480"},
        {"15m": []},
    ),
    Case(
        "IntegrityViolated",
        FAMILY,
        "goes on over a run that fails, and ends when the next ones find nothing",
        {series("check_violations"): "0x119 3x60 stale _x11 3x60 0x200", info("warning"): "1x480"},
        {"9m": [], "15m50s": [violated("3")], "25m": []},
    ),
]


def behind(alert: str, metric: str, values: str, summary: str, said: str) -> Case:
    limit = metric.replace("_seconds", "_limit_seconds") if "seconds" in metric else f"{metric}_limit"
    return Case(
        alert,
        FAMILY,
        "fires beyond what is allowed, and resolves",
        {series(metric): values, series(limit): "120x480"},
        {"9m": [], "15m": [Firing(PAID, summary, said)], "25m": []},
    )


BEHIND = [
    behind(
        "SyncLagging",
        "sync_lag_seconds",
        "60x119 150x119 0x240",
        "shop lags behind its source (paid)",
        "The newest in shop is 2m 30s older than that of its source (paid); expected at most 2m 0s.",
    ),
    behind(
        "SyncBehind",
        "sync_mark_difference",
        "60x119 150x119 0x240",
        "shop is behind its source (paid)",
        "The highest number in shop is 150 below that of its source (paid); expected at most 120.",
    ),
    behind(
        "SyncRowsDiffer",
        "sync_row_difference",
        "-5x119 -150x119 5x240",
        "shop does not have the rows of its source (paid)",
        "shop and its source differ by 150 rows (paid); expected at most 120.",
    ),
    Case(
        "SyncLagging",
        FAMILY,
        "is silent where nothing is said about what is allowed",
        {series("sync_lag_seconds"): "9999x480"},
        {"30m": []},
    ),
]


def failing(reason: str) -> Firing:
    return Firing(
        PAID,
        "What paid would find in shop is not known",
        f"The check paid of shop has failed for 5m (0, expected 1); reason: {reason}. Its violations are not "
        "known.",
    )


STALE = Firing(
    PAID,
    "paid of shop is not run",
    "No run of paid of shop was completed for two of its intervals (1, expected 0), and none failed: it "
    "waits for other checks, or hangs.",
)
DOWN = Firing(
    SHOP,
    "shop does not let its checks in",
    "The exporter has not been let into shop for 2m (`specter_sql_up` is 0, expected 1); reason: auth. "
    "Nothing is known of its data.",
)
UNWATCHED = Firing(
    {"service": "shop", "job": "sql"},
    "The data of shop is not checked",
    "1 targets of job sql do not answer their scrape; expected 0. Nothing is known of the data, which may be "
    "whole.",
)
UNKNOWN = [
    Case(
        "SqlCheckFailing",
        FAMILY,
        "fires with the newest reason, and resolves",
        {
            series("check_success"): UP_DOWN_UP,
            series("check_failure", reason="timeout"): "_x119 1x90 stale _x270",
            series("check_failure", reason="query"): "_x211 1x27 stale _x240",
            of_database("up"): "1x480",
        },
        {"14m": [], "15m10s": [failing("timeout")], "19m": [failing("query")], "25m": []},
    ),
    Case(
        "SqlCheckFailing",
        FAMILY,
        "is silent while the database lets nobody in, which has an alert of its own",
        {series("check_success"): UP_DOWN_UP, of_database("up"): UP_DOWN_UP},
        {"18m": []},
    ),
    Case(
        "SqlCheckStale",
        FAMILY,
        "fires for a check that is not run, and resolves",
        {series("check_stale"): DOWN_UP_DOWN, series("check_success"): "1x480"},
        {"9m": [], "15m": [STALE], "25m": []},
    ),
    Case(
        "SqlCheckStale",
        FAMILY,
        "is silent about one that fails, which has an alert of its own",
        {series("check_stale"): DOWN_UP_DOWN, series("check_success"): UP_DOWN_UP},
        {"15m": []},
    ),
    Case(
        "SqlDatabaseDown",
        FAMILY,
        "fires with the reason, not at a restart, and resolves",
        {
            of_database("up"): "1x59 0x12 1x47 0x119 1x240",
            of_database("failure", reason="auth"): "0x119 1x119 0x240",
            of_database("failure", reason="refused"): "0x480",
        },
        {"6m": [], "15m": [DOWN], "25m": []},
    ),
    Case(
        "SqlExporterDown",
        FAMILY,
        "fires when the exporter is not scraped, and resolves",
        {'up{service="shop",job="sql",instance="a"}': UP_DOWN_UP, 'up{service="shop",job="shop"}': "0x480"},
        {"9m": [], "15m": [UNWATCHED], "25m": []},
    ),
]

CASES = [*VIOLATED, *BEHIND, *UNKNOWN]
