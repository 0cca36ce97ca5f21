"""The calls that services make: which server fails or is slow, and what is left of its limits."""

from specter_core import metrics
from specter_dashboards import application_queries as queries
from specter_dashboards.house import row_link, service_link
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    COLOR_TEXT,
    ERROR_RATIO,
    GREEN,
    RED,
    YELLOW,
    Panel,
    Query,
    Steps,
    graph,
    override,
    row,
    steps_json,
    table,
)
from specter_dashboards.queries import service

SERVER = f"{{{{{metrics.SERVICE}}}}} to {{{{{metrics.SERVER_ADDRESS}}}}}"
QUOTA: Steps = ((RED, None), (YELLOW, 0.1), (GREEN, 0.25))


def calls() -> Section:
    """Return the section on outgoing calls."""
    return Section(
        row("Calls to other servers"),
        [Line(8, [_servers(), _failed()]), Line(7, [_ratio(), _duration(), _quota()])],
    )


def _servers() -> Panel:
    return table(
        "Servers called",
        "Every server that is called, with the calls of the last five minutes. Quota: what is left of the "
        "calls that it allows, if it says so.",
        [
            Query(service(metrics.CALL_RATE)),
            Query(service(metrics.CALL_ERROR_RATIO)),
            Query(service(metrics.CALL_DURATION_P95)),
            Query(service(metrics.QUOTA_LEFT)),
            Query(queries.window_ends()),
        ],
        unit="short",
        columns=[
            (metrics.SERVICE, "service"),
            (metrics.SERVER_ADDRESS, "server"),
            ("Value #A", "calls"),
            ("Value #B", "failed"),
            ("Value #C", "p95"),
            ("Value #D", "quota left"),
            ("Value #E", "window ends in"),
        ],
        overrides=[
            override("service", links=[row_link()]),
            override("calls", unit="reqps"),
            override(
                "failed",
                unit="percentunit",
                thresholds=steps_json(ERROR_RATIO),
                custom__cellOptions=COLOR_TEXT,
            ),
            override("p95", unit="s"),
            override(
                "quota left", unit="percentunit", thresholds=steps_json(QUOTA), custom__cellOptions=COLOR_TEXT
            ),
            override("window ends in", unit="s"),
        ],
        sort="failed",
        no_value="No data: no outgoing calls are measured",
    )


def _failed() -> Panel:
    return graph(
        "Calls that failed",
        "Calls a second that ended badly, by how: a status of 400 and above, or what kept the answer away "
        "(timeout, connection, dns, tls…).",
        [Query(queries.failed_calls(), f"{SERVER}: {{{{{metrics.ERROR_TYPE}}}}}")],
        unit="reqps",
        links=[service_link()],
    )


def _ratio() -> Panel:
    return graph(
        "Share of calls that failed",
        "Calls that ended in a 5xx or without an answer. A 4xx is an answer. Fewer than 0.1 calls a second "
        "count as 0.1.",
        [Query(service(metrics.CALL_ERROR_RATIO), SERVER)],
        unit="percentunit",
        steps=ERROR_RATIO,
        links=[service_link()],
    )


def _duration() -> Panel:
    return graph(
        "Duration of calls",
        "One call in twenty takes longer, until the last byte of the answer.",
        [Query(service(metrics.CALL_DURATION_P95), SERVER)],
        unit="s",
        links=[service_link()],
    )


def _quota() -> Panel:
    return graph(
        "Quota left",
        "What is left of the calls that a server allows in its window.",
        [Query(service(metrics.QUOTA_LEFT), SERVER)],
        unit="percentunit",
        steps=QUOTA,
        links=[service_link()],
    )
