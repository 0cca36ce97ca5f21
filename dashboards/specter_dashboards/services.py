"""Requests, errors and duration of services and routes, and the versions that serve them."""

from specter_core import metrics
from specter_dashboards import queries
from specter_dashboards.house import row_link, service_link
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    COLOR_TEXT,
    ERROR_RATIO,
    LATENCY,
    SCORE,
    Json,
    Panel,
    Query,
    graph,
    override,
    row,
    steps_json,
    table,
)

SERVICE_LEGEND = f"{{{{{metrics.SERVICE}}}}}"


def services() -> Section:
    """Return a section that is drawn once a chosen service."""
    return Section(row("Requests, errors, duration: $service", repeat="service"), [Line(8, _red())])


def _red() -> list[Panel]:
    lines = [(f"{name} {SERVICE_LEGEND}", series) for name, series in metrics.SERVICE_DURATION.items()]
    return [
        graph(
            "Request rate",
            "Requests a second, and the band that the detector expects.",
            [
                Query(queries.service(metrics.SERVICE_REQUEST_RATE), SERVICE_LEGEND),
                *_expected("request_rate"),
            ],
            unit="reqps",
            overrides=_band_style(),
            links=[service_link()],
        ),
        graph(
            "Error ratio",
            "Share of requests that ended in a 5xx, and the band that the detector expects. Fewer than 0.1 "
            "requests a second count as 0.1.",
            [
                Query(queries.service(metrics.SERVICE_ERROR_RATIO), SERVICE_LEGEND),
                *_expected("error_ratio"),
            ],
            unit="percentunit",
            steps=ERROR_RATIO,
            overrides=_band_style(),
            links=[service_link()],
        ),
        graph(
            "Duration",
            "p50, p95 and p99 of the time to serve a request, and the band that the detector expects of p95. "
            "A gap: no requests.",
            [
                *(Query(queries.service(series), legend) for legend, series in lines),
                *_expected("latency_p95"),
            ],
            unit="s",
            steps=LATENCY,
            overrides=_band_style(),
            links=[service_link()],
        ),
    ]


def _expected(alias: str) -> list[Query]:
    return [
        Query(queries.band(metrics.YHAT, alias, "avg"), "expected"),
        Query(queries.band(metrics.YHAT_LOWER, alias, "min"), "expected from"),
        Query(queries.band(metrics.YHAT_UPPER, alias, "max"), "expected to"),
    ]


def _band_style() -> list[Json]:
    grey = {"mode": "fixed", "fixedColor": "text"}
    edge = {
        "color": grey,
        "custom__lineWidth": 0,
        "custom__hideFrom": {"legend": True, "tooltip": False, "viz": False},
    }
    return [
        override("expected", color=grey, custom__lineStyle={"fill": "dash", "dash": [6, 6]}),
        override("expected from", **edge),
        override("expected to", **edge, custom__fillBelowTo="expected from", custom__fillOpacity=15),
    ]


def routes() -> Section:
    """Return the slowest routes and the exceptions."""
    route_columns = [(metrics.SERVICE, "service"), (metrics.ROUTE, "route")]
    slowest = table(
        "Slowest routes",
        f"The {queries.TOP_ROUTES} routes with the highest p95 now. No score: the detector has none that "
        "is fresh.",
        [
            Query(queries.slowest_routes()),
            Query(queries.of_slowest_routes(metrics.ROUTE_REQUEST_RATE)),
            Query(queries.of_slowest_routes(metrics.ROUTE_ERROR_RATIO)),
            Query(queries.route_scores()),
        ],
        unit="short",
        columns=[
            *route_columns,
            ("Value #A", "p95"),
            ("Value #B", "requests"),
            ("Value #C", "errors"),
            ("Value #D", "highest score"),
        ],
        overrides=[
            override("p95", unit="s", thresholds=steps_json(LATENCY), custom__cellOptions=COLOR_TEXT),
            override("requests", unit="reqps"),
            override(
                "errors",
                unit="percentunit",
                thresholds=steps_json(ERROR_RATIO),
                custom__cellOptions=COLOR_TEXT,
            ),
            override("highest score", decimals=1, thresholds=steps_json(SCORE)),
            override("service", links=[row_link()]),
        ],
        sort="p95",
        no_value="No data: no route has requests",
    )
    exceptions = graph(
        "Exceptions",
        "Exceptions a second that escaped a request handler, by class.",
        [Query(queries.exceptions(), f"{SERVICE_LEGEND} {{{{exception}}}}")],
        unit="cps",
        links=[service_link()],
    )
    return Section(row("Routes"), [Line(9, [slowest, exceptions])])


def deployments() -> Section:
    """Return the versions that run, now and over time."""
    running = table(
        "Versions running",
        "Instances by version. Two versions of one service: a rollout is under way, or stuck.",
        [Query(queries.versions())],
        unit="none",
        columns=[
            (metrics.SERVICE, "service"),
            (metrics.SERVICE_VERSION, "version"),
            ("Value", "instances"),
        ],
        overrides=[override("service", links=[row_link()])],
        no_value="No data: no service says its version",
    )
    over_time = graph(
        "Versions over time",
        "Instances by version; where one replaces another, a deployment took place.",
        [Query(queries.versions(), f"{SERVICE_LEGEND} {{{{{metrics.SERVICE_VERSION}}}}}")],
        unit="none",
        stacked=True,
        links=[service_link()],
    )
    return Section(row("Deployments"), [Line(7, [running, over_time])])
