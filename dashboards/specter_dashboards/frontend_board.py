"""Frontend: what users' browsers measure, against good and poor, and what the beacon takes."""

from typing import Any

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards import frontend_queries as queries
from specter_dashboards.house import (
    choice_variable,
    dashboard,
    datasource,
    row_link,
    service_link,
    service_variable,
)
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    COLOR_TEXT,
    GREEN,
    NEUTRAL,
    RED,
    UNKNOWN,
    YELLOW,
    Panel,
    Query,
    Steps,
    graph,
    override,
    row,
    stat,
    steps_json,
    table,
)

# Name, and the unit of its panels.
VITALS: dict[Metric, tuple[str, str]] = {
    metrics.WEB_VITALS_LCP: ("Largest Contentful Paint", "s"),
    metrics.WEB_VITALS_INP: ("Interaction to Next Paint", "s"),
    metrics.WEB_VITALS_CLS: ("Cumulative Layout Shift", "none"),
    metrics.WEB_VITALS_FCP: ("First Contentful Paint", "s"),
    metrics.WEB_VITALS_TTFB: ("Time to First Byte", "s"),
}
LEGEND = "{{service}} {{page}} {{device}}"
NO_VIEWS = "Unknown: no browser reported"
REFUSED: Steps = ((UNKNOWN, None), (GREEN, 0), (YELLOW, 0.1), (RED, 0.5))


def frontend_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_FRONTEND,
        title="Frontend",
        description="Core web vitals by page template and device class, as users' browsers measure them.",
        sections=[_worst(), _over_time(), _ratings(), _beacon()],
        variables=[datasource(), service_variable(), _chosen("page", "Page"), _chosen("device", "Device")],
    )


def _chosen(label: str, shown: str) -> Any:
    return choice_variable(
        label, shown, f"label_values({metrics.WEB_VITALS_VIEWS[metrics.WEB_VITALS_LCP]}, {label})"
    )


def _limits(metric: Metric) -> str:
    good, poor = metrics.WEB_VITALS_LIMITS[metric]
    unit = " s" if VITALS[metric][1] == "s" else ""
    return f"Good up to {good:g}{unit}, poor above {poor:g}{unit}"


def _steps(metric: Metric, *, unknown: bool = False) -> Steps:
    """Return the limits as colours; `unknown` keeps health's colour for what is at least 0."""
    good, poor = metrics.WEB_VITALS_LIMITS[metric]
    start: Steps = ((UNKNOWN, None), (GREEN, 0)) if unknown else ((GREEN, None),)
    return (*start, (YELLOW, good), (RED, poor))


def _worst() -> Section:
    stats = [
        stat(
            f"Worst {name}",
            "The highest 75th percentile of the chosen pages and devices, of five minutes. "
            f"{_limits(metric)}.",
            [Query(queries.worst(metric))],
            unit=unit,
            steps=_steps(metric, unknown=True),
            no_value=NO_VIEWS,
            decimals=2,
        )
        for metric, (name, unit) in VITALS.items()
    ]
    refused = stat(
        "Requests refused",
        "Share of the requests to the beacon that are refused.",
        [Query(queries.refused_share())],
        unit="percentunit",
        steps=REFUSED,
        no_value="Unknown: the beacon gets no requests",
    )
    return Section(row("Worst page now"), [Line(5, [*stats, refused])])


def _over_time() -> Section:
    graphs = [
        graph(
            name,
            "75th percentile of the views in five minutes: three of four are at most this. "
            f"{_limits(metric)}.",
            [Query(queries.p75(metric), LEGEND)],
            unit=unit,
            steps=_steps(metric),
            links=[service_link()],
        )
        for metric, (name, unit) in VITALS.items()
    ]
    views = graph(
        "Views",
        "Views that reported their Largest Contentful Paint within five minutes. Alerts ask for 30.",
        [Query(queries.views(metrics.WEB_VITALS_LCP), LEGEND)],
        unit="short",
        links=[service_link()],
    )
    return Section(
        row("75th percentile by page and device"), [Line(8, graphs[:3]), Line(8, [*graphs[3:], views])]
    )


def _ratings() -> Section:
    tables = [_rated(metric) for metric in VITALS]
    return Section(
        row("Good, needs improvement, poor"), [Line(8, tables[:2]), Line(8, tables[2:4]), Line(8, tables[4:])]
    )


def _rated(metric: Metric) -> Panel:
    name, unit = VITALS[metric]
    return table(
        f"{name} by rating",
        f"Shares of the views in five minutes by rating, by page and device. {_limits(metric)}.",
        [
            Query(queries.good(metric)),
            Query(queries.needs_improvement(metric)),
            Query(queries.poor(metric)),
            Query(queries.p75(metric)),
            Query(queries.views(metric)),
        ],
        unit="percentunit",
        columns=[
            ("service", "service"),
            ("page", "page"),
            ("device", "device"),
            ("Value #A", "good"),
            ("Value #B", "needs improvement"),
            ("Value #C", "poor"),
            ("Value #D", "p75"),
            ("Value #E", "views"),
        ],
        overrides=[
            override("service", links=[row_link()]),
            # Three of four views have to be good for the page to be.
            override(
                "poor", thresholds=steps_json(((GREEN, None), (RED, 0.25))), custom__cellOptions=COLOR_TEXT
            ),
            override("p75", unit=unit, thresholds=steps_json(_steps(metric)), custom__cellOptions=COLOR_TEXT),
            override("views", unit="short", decimals=0),
        ],
        sort="poor",
        no_value=NO_VIEWS,
    )


def _beacon() -> Section:
    requests = graph(
        "Requests to the beacon",
        "Requests a second, preflights and refused ones included.",
        [Query(queries.beacon(metrics.BEACON_REQUESTS, "service"), "{{service}}")],
        unit="reqps",
        links=[service_link()],
    )
    refused = graph(
        "Requests refused by reason",
        "Requests a second that the beacon refuses. origin: a site that is not in allowed_origins.",
        [Query(queries.beacon(metrics.BEACON_REFUSED, "service, reason"), "{{service}} {{reason}}")],
        unit="reqps",
        steps=NEUTRAL,
        links=[service_link()],
    )
    measurements = graph(
        "Measurements refused by reason",
        "Measurements a second with a wrong field, by the field.",
        [
            Query(
                queries.beacon(metrics.BEACON_MEASUREMENTS_REFUSED, "service, reason"),
                "{{service}} {{reason}}",
            )
        ],
        unit="cps",
        links=[service_link()],
    )
    odd = graph(
        "Unknown pages, late and replaced values",
        "Measurements a second of pages without a template, values that came after theirs was counted, and "
        "values that a later one replaced.",
        [
            Query(queries.beacon(metrics.BEACON_UNKNOWN_PAGES, "service"), "{{service}} unknown page"),
            Query(queries.beacon(metrics.BEACON_LATE, "service"), "{{service}} late"),
            Query(queries.beacon(metrics.BEACON_REPLACED, "service"), "{{service}} replaced"),
        ],
        unit="cps",
        links=[service_link()],
    )
    return Section(row("Beacon"), [Line(7, [requests, refused]), Line(7, [measurements, odd])])
