"""What every dashboard has: variables, annotations, links, time range."""

from collections.abc import Sequence
from typing import Any

from grafanalib import core as grafana

from specter_core import metrics
from specter_core.generated import header
from specter_dashboards import queries
from specter_dashboards.layout import Section, place
from specter_dashboards.panels import BLUE, DATASOURCE, ORANGE, RED, Json

TAGS = ["specter", "generated"]
GENERATED = header("specter dashboards generate", "dashboards/specter_dashboards")
ON_TIME_RANGE_CHANGE = 2


def dashboard(*, uid: str, title: str, description: str, sections: Sequence[Section]) -> Any:
    """Return a dashboard in house style, panels numbered and placed."""
    return grafana.Dashboard(
        uid=uid,
        title=title,
        description=f"{description} {GENERATED}",
        tags=TAGS,
        timezone="browser",
        refresh="10s",
        time=grafana.Time("now-1h", "now"),
        graphTooltip=grafana.GRAPH_TOOLTIP_MODE_SHARED_CROSSHAIR,
        templating=grafana.Templating([_datasource(), _service()]),
        annotations=grafana.Annotations(_annotations()),
        links=[_siblings()],
        panels=place(sections),
    ).auto_panel_ids()


def service_link() -> Json:
    """Return a data link to the same dashboard for the service of the clicked series."""
    return _link_to("${__field.labels.service}")


def row_link() -> Json:
    """Return a data link to the same dashboard for the service in the clicked table row."""
    return _link_to("${__data.fields.service}")


def _link_to(service: str) -> Json:
    here = "/d/${__dashboard.uid}?${datasource:queryparam}&${__url_time_range}"
    return {"title": "This service only", "url": f"{here}&var-service={service}"}


def _datasource() -> Any:
    return grafana.Template(name="datasource", label="Data source", type="datasource", query="prometheus")


def _service() -> Any:
    return grafana.Template(
        name="service",
        label="Service",
        query=f"label_values({metrics.UP}, {metrics.SERVICE})",
        dataSource=DATASOURCE,
        multi=True,
        includeAll=True,
        allValue=".+",
        refresh=ON_TIME_RANGE_CHANGE,
    )


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
        _annotation(
            "Deployments",
            queries.deployed(),
            BLUE,
            title=f"{{{{{metrics.SERVICE}}}}} now runs {{{{{metrics.SERVICE_VERSION}}}}}",
            tags=f"{metrics.SERVICE},{metrics.SERVICE_VERSION}",
        ),
        _annotation(
            "Alerts firing",
            f'{metrics.ALERTS}{{alertstate="firing", severity=~"critical|warning", '
            f"{queries.SERVICES_OR_NONE}}}",
            RED,
            title="{{alertname}}",
            tags=f"severity,{metrics.SERVICE},{metrics.ROUTE}",
        ),
        _annotation(
            "Anomalies",
            queries.anomalous(),
            ORANGE,
            title=f"{{{{{metrics.FOR}}}}} of {{{{{metrics.SERVICE}}}}} {{{{{metrics.ROUTE}}}}}",
            tags=f"{metrics.SERVICE},{metrics.ROUTE},{metrics.FOR}",
        ),
    ]


def _annotation(name: str, expr: str, color: str, *, title: str, tags: str) -> Json:
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
