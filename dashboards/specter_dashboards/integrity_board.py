"""Data integrity: checks that are violated, what is not known, business numbers, copies, the runs."""

from typing import Any

from specter_core import metrics
from specter_dashboards import integrity_queries as queries
from specter_dashboards.house import choice_variable, dashboard, datasource, service_graph, service_variable
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    GREEN,
    RED,
    UNKNOWN,
    YELLOW,
    Panel,
    Query,
    row,
    stat,
    table,
    yes_or_no,
)

DATABASE = "{{database}}"
CHECK = "{{database}} {{check}}"
UNASKED = "Unknown: no check ran"
NAMES = [("service", "service"), ("database", "database"), ("check", "check")]


def integrity_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_INTEGRITY,
        title="Data integrity",
        description="Checks of data in SQL databases: integrity, business numbers, copies.",
        sections=[_now(), _violations(), _business(), _copies(), _runs()],
        variables=[datasource(), service_variable(), _database()],
    )


def _database() -> Any:
    found = f'label_values({metrics.SQL_CHECK_INFO.name}{{service=~"$service"}}, database)'
    return choice_variable("database", "Database", found)


def _count(title: str, description: str, query: str, colour: str) -> Panel:
    steps = ((UNKNOWN, None), (GREEN, 0.0), (colour, 1.0))
    return stat(title, description, [Query(query, DATABASE)], unit="none", steps=steps, no_value=UNASKED)


def _now() -> Section:
    up = yes_or_no(
        "Databases",
        "Whether the database let the exporter in at the newest run of one of its checks.",
        [Query(queries.highest(metrics.SQL_UP, queries.LEVEL), DATABASE)],
        "Up",
        "No answer",
        no_value=UNASKED,
    )
    violated = _count(
        "Checks violated",
        "Checks of integrity whose newest run found violations.",
        queries.violated(),
        RED,
    )
    unknown = _count(
        "Checks not known",
        "Checks whose newest run failed, or that were not run for two of their intervals.",
        queries.unknown(),
        YELLOW,
    )
    violations = table(
        "What is violated",
        "Checks with violations. Which rows these are: the exporter's page /checks.",
        [Query(queries.with_labels(f"({queries.highest(metrics.SQL_VIOLATIONS)} > 0)"))],
        unit="short",
        columns=[*NAMES, ("severity", "severity"), ("Value", "violations")],
        sort="violations",
        no_value="No violation is known",
    )
    failing = table(
        "What is not known",
        "Checks whose newest run failed, and why. What they found before is absent meanwhile.",
        [Query(queries.highest(metrics.SQL_CHECK_FAILURE, f"{queries.OF_CHECK}, reason"))],
        unit="short",
        columns=[*NAMES, ("reason", "reason")],
        no_value="No failure is known",
    )
    unanswered = table(
        "Databases without an answer",
        "Why the database did not let the exporter in.",
        [Query(queries.unanswered())],
        unit="short",
        columns=[("service", "service"), ("database", "database"), ("reason", "reason")],
        no_value="No failure is known",
    )
    return Section(
        row("What is wrong now"),
        [Line(5, [up, violated, unknown]), Line(7, [violations, failing, unanswered])],
    )


def _violations() -> Section:
    over_time = service_graph(
        "Violations",
        "Rows that must not be there, or how far a count is beyond its bound. A gap: not known.",
        [Query(queries.highest(metrics.SQL_VIOLATIONS), CHECK)],
        unit="short",
    )
    return Section(row("Violations"), [Line(8, [over_time])])


def _business() -> Section:
    values = service_graph(
        "Business numbers",
        "What business queries give, by group.",
        [
            Query(
                queries.highest(metrics.SQL_BUSINESS_VALUE, f"{queries.OF_CHECK}, group"),
                "{{check}} {{group}}",
            )
        ],
        unit="short",
    )
    dropped = service_graph(
        "Groups without a series",
        "Groups summed up as `other`, a second, over all runs: raise `groups`, or group less.",
        [Query(queries.dropped(), CHECK)],
        unit="cps",
    )
    return Section(row("Business numbers"), [Line(8, [values, dropped])])


def _copies() -> Section:
    lag = service_graph(
        "Lag of copies",
        "How much older the newest of the target is than that of the source, and what is allowed.",
        [
            Query(queries.highest(metrics.SQL_SYNC_LAG), CHECK),
            Query(queries.highest(metrics.SQL_SYNC_LAG_LIMIT), f"{CHECK} allowed"),
        ],
        unit="s",
    )
    behind = service_graph(
        "Numbers behind",
        "How far the highest number of the target is below that of the source, and what is allowed.",
        [
            Query(queries.highest(metrics.SQL_SYNC_MARK_DIFFERENCE), CHECK),
            Query(queries.highest(metrics.SQL_SYNC_MARK_LIMIT), f"{CHECK} allowed"),
        ],
        unit="short",
    )
    rows = service_graph(
        "Difference in rows",
        "Rows that the source has more than the target, and what is allowed either way.",
        [
            Query(queries.highest(metrics.SQL_SYNC_ROW_DIFFERENCE), CHECK),
            Query(queries.highest(metrics.SQL_SYNC_ROW_LIMIT), f"{CHECK} allowed"),
        ],
        unit="short",
    )
    sides = service_graph(
        "Rows of both sides",
        "Rows of source and target.",
        [Query(queries.highest(metrics.SQL_SYNC_ROWS, f"{queries.OF_CHECK}, side"), "{{check}} {{side}}")],
        unit="short",
    )
    return Section(row("Copies"), [Line(8, [lag, behind]), Line(8, [rows, sides])])


def _runs() -> Section:
    age = service_graph(
        "Age of results",
        "How long ago each check was completed.",
        [Query(queries.age(), CHECK)],
        unit="s",
    )
    duration = service_graph(
        "Duration of runs",
        "What the newest run of each check took.",
        [Query(queries.highest(metrics.SQL_CHECK_DURATION), CHECK)],
        unit="s",
    )
    busy = service_graph(
        "Share of the interval",
        "Duration over interval. Checks of a database take turns: their sum must stay below its concurrency.",
        [Query(queries.busy(), CHECK)],
        unit="percentunit",
    )
    failures = service_graph(
        "Runs that failed",
        "Runs a second that failed; why is in the table above.",
        [Query(queries.failures(), CHECK)],
        unit="cps",
    )
    return Section(row("Runs"), [Line(8, [age, duration]), Line(8, [busy, failures])])
