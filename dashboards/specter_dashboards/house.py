"""What every dashboard has: variables, annotations, links, time range."""

from collections.abc import Sequence
from typing import Any

from grafanalib import core as grafana

from specter_core import metrics
from specter_core.generated import header
from specter_dashboards import queries
from specter_dashboards.layout import Section, place
from specter_dashboards.panels import (
    BLUE,
    DATASOURCE,
    GREEN,
    ORANGE,
    RED,
    UNKNOWN,
    Json,
    Panel,
    Query,
    Steps,
    graph,
    stat,
)

TAGS = ["specter", "generated"]
GENERATED = header("specter dashboards generate", "dashboards/specter_dashboards")
ON_TIME_RANGE_CHANGE = 2


def dashboard(
    *,
    uid: str,
    title: str,
    description: str,
    sections: Sequence[Section],
    variables: Sequence[Any] | None = None,
    annotations: Sequence[Json] | None = None,
) -> Any:
    """Return a dashboard in house style, panels numbered and placed.

    `variables` and `annotations` are those of a dashboard on services unless they are given.
    """
    return grafana.Dashboard(
        uid=uid,
        title=title,
        description=f"{description} {GENERATED}",
        tags=TAGS,
        timezone="browser",
        refresh="10s",
        time=grafana.Time("now-1h", "now"),
        graphTooltip=grafana.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        templating=grafana.Templating(
            [datasource(), service_variable()] if variables is None else list(variables)
        ),
        annotations=grafana.Annotations(_annotations() if annotations is None else list(annotations)),
        links=[_siblings()],
        panels=place(sections),
    ).auto_panel_ids()


def service_link() -> Json:
    """Return a data link to the same dashboard for the service of the clicked series."""
    return _link_to("${__field.labels.service}")


def row_link() -> Json:
    """Return a data link to the same dashboard for the service in the clicked table row."""
    return _link_to("${__data.fields.service}")


def service_graph(title: str, description: str, targets: list[Query], **options: Any) -> Panel:
    """Return a graph of services, each of which can be chosen in it; see `panels.graph`."""
    return graph(title, description, targets, links=[service_link()], **options)


def host_link() -> Json:
    """Return a data link to the same dashboard for the host of the clicked series."""
    return _link_to("${__field.labels.instance}", "instance", "This host only")


def host_row_link() -> Json:
    """Return a data link to the same dashboard for the host in the clicked table row."""
    return _link_to("${__data.fields.instance}", "instance", "This host only")


def server_state(
    title: str, description: str, query: str, unit: str, *steps: tuple[str, float], no_value: str
) -> Panel:
    """Return a number of each server, green until the first of `steps`; see `panels.stat`."""
    known: Steps = ((UNKNOWN, None), (GREEN, 0), *steps)
    return stat(title, description, [Query(query, "{{server}}")], unit=unit, steps=known, no_value=no_value)


def server_graph(title: str, description: str, targets: list[Query], *, unit: str) -> Panel:
    """Return a graph of databases or brokers, each of which can be chosen in it; see `panels.graph`."""
    link = _link_to("${__field.labels.server}", "server", "This server only")
    return graph(title, description, targets, unit=unit, links=[link])


def _link_to(value: str, variable: str = "service", title: str = "This service only") -> Json:
    here = "/d/${__dashboard.uid}?${datasource:queryparam}&${__url_time_range}"
    return {"title": title, "url": f"{here}&var-{variable}={value}"}


def datasource() -> Any:
    """Return the variable that says where the data is."""
    return grafana.Template(name="datasource", label="Data source", type="datasource", query="prometheus")


def choice_variable(name: str, label: str, query: str) -> Any:
    """Return the variable `name`, shown as `label`: one, several or all of what `query` finds."""
    return grafana.Template(
        name=name,
        label=label,
        query=query,
        dataSource=DATASOURCE,
        multi=True,
        includeAll=True,
        allValue=".+",
        refresh=ON_TIME_RANGE_CHANGE,
    )


def service_variable() -> Any:
    """Return the variable that chooses services."""
    return choice_variable("service", "Service", f"label_values({metrics.UP}, {metrics.SERVICE})")


def _siblings() -> Any:
    return grafana.DashboardLink(
        type="dashboards",
        title="Specter",
        tags=[TAGS[0]],
        asDropdown=True,
        includeVars=True,
        keepTime=True,
    )


def _annotations() -> list[Json]:
    return [
        annotation(
            "Deployments",
            queries.deployed(),
            BLUE,
            title=f"{{{{{metrics.SERVICE}}}}} now runs {{{{{metrics.SERVICE_VERSION}}}}}",
            tags=f"{metrics.SERVICE},{metrics.SERVICE_VERSION}",
        ),
        annotation(
            "Alerts firing",
            f'{metrics.ALERTS}{{alertstate="firing", severity=~"critical|warning", '
            f"{queries.SERVICES_OR_NONE}}}",
            RED,
            title="{{alertname}}",
            tags=f"severity,{metrics.SERVICE},{metrics.ROUTE}",
        ),
        annotation(
            "Anomalies",
            queries.anomalous(),
            ORANGE,
            title=f"{{{{{metrics.FOR}}}}} of {{{{{metrics.SERVICE}}}}} {{{{{metrics.ROUTE}}}}}",
            tags=f"{metrics.SERVICE},{metrics.ROUTE},{metrics.FOR}",
        ),
    ]


def annotation(name: str, expr: str, color: str, *, title: str, tags: str) -> Json:
    """Return marks on every graph wherever `expr` has a value; `title` and `tags` are templates of labels."""
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expr,
        "step": "15s",
        "titleFormat": title,
        "tagKeys": tags,
        "textFormat": "",
        "useValueForTime": False,
    }
