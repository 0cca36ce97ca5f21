"""Main status: what is wrong now, then requests, errors and duration of each service."""

from typing import Any

from specter_core import metrics
from specter_dashboards import queries
from specter_dashboards.detector_health import detector
from specter_dashboards.house import dashboard, row_link, service_link
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    BLUE,
    COLOR_TEXT,
    GREEN,
    ORANGE,
    RED,
    SCORE,
    UNKNOWN,
    Panel,
    Query,
    override,
    row,
    stat,
    states,
    steps_json,
    table,
    value_mapping,
)
from specter_dashboards.services import deployments, routes, services

ALERTING_UNKNOWN = "Unknown: the Watchdog alert is not there"
SERVICE_LEGEND = f"{{{{{metrics.SERVICE}}}}}"


def main_status() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_MAIN_STATUS,
        title="Main status",
        description="What is wrong now, and how each service does.",
        sections=[_now(), services(), routes(), deployments(), detector()],
    )


def _now() -> Section:
    counts = [_alerts("critical", RED), _alerts("warning", ORANGE), _alerts("info", BLUE), _down()]
    return Section(
        row("What is wrong now"),
        [
            Line(4, counts),
            Line(7, [_scores(), _up()]),
            Line(8, [_firing(), _anomalies()]),
        ],
    )


def _alerts(severity: str, color: str) -> Panel:
    return stat(
        f"{severity.capitalize()} alerts",
        f"Alerts of severity {severity} that fire now. 0 is shown only while Watchdog proves that "
        "alerting works.",
        [Query(queries.firing(severity))],
        unit="none",
        steps=((UNKNOWN, None), (GREEN, 0), (color, 1)),
        no_value=ALERTING_UNKNOWN,
    )


def _down() -> Panel:
    return stat(
        "Services down",
        "Jobs of services of which no target answers its scrape.",
        [Query(queries.down_count())],
        unit="none",
        steps=((UNKNOWN, None), (GREEN, 0), (RED, 1)),
        no_value="Unknown: nothing is scraped",
    )


def _scores() -> Panel:
    return stat(
        "Highest anomaly score",
        "The highest score of any series of a service, if not older than two minutes. 0 is expected, 1 "
        "the edge of the expected band.",
        [Query(queries.highest_score(), SERVICE_LEGEND)],
        unit="none",
        steps=SCORE,
        no_value="Unknown: no fresh scores",
        decimals=2,
        links=[service_link()],
    )


def _up() -> Panel:
    mapping = value_mapping({"1": ("Up", GREEN), "0": ("Down", RED)})
    return states(
        "Services up and down",
        "Up where at least one target of the service's job answers its scrape. A gap: there was no target.",
        [Query(queries.up(), f"{SERVICE_LEGEND} ({{{{job}}}})")],
        mappings=[mapping],
    )


def _firing() -> Panel:
    severity = value_mapping(
        {"critical": ("critical", RED), "warning": ("warning", ORANGE), "info": ("info", BLUE)}
    )
    coloured = override("severity", mappings=[severity], custom__cellOptions=COLOR_TEXT)
    return table(
        "Firing alerts",
        "Alerts that fire now, muted and silenced ones included. Empty is good only while the counts "
        "above say 0.",
        [Query(queries.firing_list())],
        unit="none",
        columns=[
            ("severity", "severity"),
            ("alertname", "alert"),
            (metrics.SERVICE, "service"),
            (metrics.ROUTE, "route"),
            (metrics.FOR, "series"),
            (metrics.LOG, "log"),
            ("kind", "kind"),
            ("query", "query"),
            ("instance", "instance"),
        ],
        overrides=[coloured, override("service", links=[row_link()])],
        no_value="Nothing fires, if the counts above say 0",
    )


def _anomalies() -> Panel:
    score = override("score", thresholds=steps_json(SCORE), custom__cellOptions=COLOR_TEXT, decimals=1)
    return table(
        "Series in anomaly",
        "Series whose fresh score is above 1, with the value now and what is expected: requests a second for "
        "rates, 0 to 1 for ratios, seconds for latency.",
        [
            Query(queries.anomalous()),
            Query(queries.anomalous_value()),
            Query(queries.anomalous_band(metrics.YHAT)),
            Query(queries.anomalous_band(metrics.YHAT_LOWER)),
            Query(queries.anomalous_band(metrics.YHAT_UPPER)),
        ],
        unit="short",
        columns=[
            (metrics.SERVICE, "service"),
            (metrics.ROUTE, "route"),
            (metrics.FOR, "series"),
            ("Value #A", "score"),
            ("Value #B", "value"),
            ("Value #C", "expected"),
            ("Value #D", "from"),
            ("Value #E", "to"),
        ],
        overrides=[score, override("service", links=[row_link()])],
        sort="score",
        no_value="None known: see the scores above",
    )
