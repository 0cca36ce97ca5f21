"""Logs: which errors are new, what access and slow-query logs say, and how well logs are read."""

from typing import Any

from specter_core import metrics
from specter_dashboards import logs_queries as logs
from specter_dashboards import queries
from specter_dashboards.house import dashboard, row_link, service_graph
from specter_dashboards.layout import Line, Section
from specter_dashboards.logs_queries import COLUMNS, LOG
from specter_dashboards.logs_reading import reading
from specter_dashboards.logs_traffic import databases_and_caches, requests
from specter_dashboards.panels import (
    BLUE,
    GREEN,
    ORANGE,
    SCORE,
    UNKNOWN,
    Query,
    override,
    row,
    stat,
    table,
    yes_or_no,
)

SILENT = "Unknown: no log exporter says anything"


def logs_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_LOGS,
        title="Logs",
        description="Errors, requests, queries and caches out of logs, and how well logs are read.",
        sections=[_now(), _errors(), requests(), databases_and_caches(), reading()],
    )


def _now() -> Section:
    up = yes_or_no(
        "Logs",
        "Whether there is something to read and it can be read, wherever the log is followed.",
        [Query(logs.readable(), LOG)],
        "Read",
        "Not read",
        no_value=SILENT,
    )
    errors = stat(
        "Error lines",
        "Entries of level error and critical a second, over five minutes.",
        [Query(queries.service(metrics.LOG_ERROR_RATE), LOG)],
        unit="cps",
        steps=((BLUE, None),),
        no_value=SILENT,
    )
    new = stat(
        "New forms of errors",
        "Error messages of a form that had not been seen before, within 15 minutes.",
        [Query(queries.service(metrics.LOG_NEW_TEMPLATE_COUNT), LOG)],
        unit="none",
        steps=((UNKNOWN, None), (GREEN, 0), (ORANGE, 0.5)),
        no_value=SILENT,
        decimals=0,
    )
    scores = service_graph(
        "Anomaly scores of logs",
        "The detector's scores of its preset `logs`. 1 is the edge of the expected band.",
        [Query(queries.scores_of("log_"), f"{{{{{metrics.SERVICE}}}}} {{{{{metrics.FOR}}}}}")],
        unit="short",
        steps=SCORE,
    )
    return Section(row("What is wrong now"), [Line(6, [up, errors, new, scores])])


def _errors() -> Section:
    levels = service_graph(
        "Lines by level",
        "Entries a second. unknown: lines that are not of the log's format, among others.",
        [Query(logs.rate(metrics.LOG_LINES, "level"), f"{LOG} {{{{level}}}}")],
        unit="cps",
        stacked=True,
    )
    errors = service_graph(
        "Error lines over time",
        "Entries of level error and critical a second, over five minutes.",
        [Query(queries.service(metrics.LOG_ERROR_RATE), LOG)],
        unit="cps",
    )
    new = service_graph(
        "New error messages",
        "New forms of error messages within 15 minutes. In the first ten minutes of all none counts as new.",
        [Query(queries.service(metrics.LOG_NEW_TEMPLATE_COUNT), LOG)],
        unit="short",
    )
    newest = table(
        "Newest errors",
        "The forms of error messages that were first seen last. The log exporter's page has message and "
        "example by `template_id`.",
        [Query(logs.newest_templates()), Query(logs.rate_of_newest_templates())],
        unit="short",
        columns=[
            *COLUMNS,
            ("template_id", "template_id"),
            ("Value #A", "known for"),
            ("Value #B", "lines"),
        ],
        overrides=[
            override("service", links=[row_link()]),
            override("known for", unit="s"),
            override("lines", unit="cps"),
        ],
        no_value="No error was seen, or no log exporter says anything",
    )
    frequent = service_graph(
        "Most frequent errors",
        f"Lines a second of the {logs.TOP} forms of error messages that come most often.",
        [Query(logs.frequent_templates(), f"{LOG} {{{{template_id}}}}")],
        unit="cps",
    )
    known = service_graph(
        "Known forms of errors",
        "Forms of error messages that are remembered; beyond the limit (1000) the oldest are forgotten.",
        [Query(logs.total(metrics.LOG_TEMPLATES), LOG)],
        unit="short",
    )
    return Section(row("Errors"), [Line(8, [levels, errors, new]), Line(9, [newest, frequent, known])])
