"""The dashboard Logs' middle: requests in access logs, slow queries, caches and gateways."""

from specter_core import metrics
from specter_dashboards import logs_queries as logs
from specter_dashboards import queries
from specter_dashboards.house import row_link, service_graph
from specter_dashboards.layout import Line, Section
from specter_dashboards.logs_queries import COLUMNS, LOG
from specter_dashboards.panels import ERROR_RATIO, LATENCY, Query, override, row, table


def requests() -> Section:
    """Return the section on access logs."""
    status = service_graph(
        "Requests by status",
        "Requests in access logs a second, by status.",
        [Query(logs.rate(metrics.LOG_HTTP_REQUESTS, metrics.STATUS), f"{LOG} {{{{{metrics.STATUS}}}}}")],
        unit="reqps",
        stacked=True,
    )
    ratio = service_graph(
        "Error ratio out of logs",
        "Share of requests in access logs that ended in a 5xx, over five minutes. Fewer than 0.1 requests a "
        "second count as 0.1.",
        [Query(queries.service(metrics.LOG_ERROR_RATIO), LOG)],
        unit="percentunit",
        steps=ERROR_RATIO,
    )
    duration = service_graph(
        "Duration out of logs",
        "95 of 100 requests in access logs took at most this long. A gap: no requests, or lines without a "
        "duration.",
        [Query(queries.service(metrics.LOG_DURATION_P95), LOG)],
        unit="s",
        steps=LATENCY,
    )
    routes = table(
        "Routes that fail",
        f"The {logs.TOP} routes with most 5xx a second, by status.",
        [Query(logs.failing_routes())],
        unit="reqps",
        columns=[
            *COLUMNS,
            (metrics.ROUTE, "route"),
            (metrics.STATUS, "status"),
            ("Value", "requests"),
        ],
        overrides=[override("service", links=[row_link()])],
        sort="requests",
        no_value="No route fails, or no access log is read",
    )
    sizes = service_graph(
        "Bytes by route",
        f"Bytes of responses a second of the {logs.TOP} routes that have most.",
        [Query(logs.biggest_routes(), f"{LOG} {{{{{metrics.ROUTE}}}}}")],
        unit="Bps",
    )
    return Section(
        row("Requests in access logs"), [Line(8, [status, ratio, duration]), Line(8, [routes, sizes])]
    )


def databases_and_caches() -> Section:
    """Return the section on slow queries, caches and gateways."""
    slow = service_graph(
        "Slow queries by command",
        "Queries a second that the database found slow enough to write down.",
        [Query(logs.rate(metrics.LOG_SLOW_QUERY_DURATION.count, "command"), f"{LOG} {{{{command}}}}")],
        unit="cps",
        stacked=True,
    )
    duration = service_graph(
        "Duration of slow queries",
        "95 of 100 of them took at most this long.",
        [
            Query(logs.quantile(metrics.LOG_SLOW_QUERY_DURATION, 0.95, "command"), f"{LOG} {{{{command}}}}"),
        ],
        unit="s",
    )
    rows = service_graph(
        "Rows examined",
        "Rows a second that slow queries looked at.",
        [Query(logs.rate(metrics.LOG_SLOW_QUERY_ROWS_EXAMINED, "command"), f"{LOG} {{{{command}}}}")],
        unit="cps",
    )
    hits = service_graph(
        "Cache hit ratio",
        "Share of cacheable requests that the cache answered, over 15 minutes.",
        [Query(queries.service(metrics.LOG_CDN_HIT_RATIO), LOG)],
        unit="percentunit",
    )
    cache = service_graph(
        "Cache status",
        "Requests a second by what the cache did. bypass and unknown are no part of the ratio.",
        [Query(logs.rate(metrics.LOG_CDN_REQUESTS, "cache_status"), f"{LOG} {{{{cache_status}}}}")],
        unit="reqps",
        stacked=True,
    )
    traffic = service_graph(
        "Bytes by cache status",
        "Bytes of responses a second by what the cache did.",
        [Query(logs.rate(metrics.LOG_CDN_BYTES, "cache_status"), f"{LOG} {{{{cache_status}}}}")],
        unit="Bps",
        stacked=True,
    )
    upstream = f"{LOG} {{{{upstream}}}}"
    gateway = service_graph(
        "Gateway",
        "Requests a second that a gateway passed on, by upstream and outcome.",
        [
            Query(
                logs.rate(metrics.LOG_GATEWAY_REQUESTS, "upstream", metrics.OUTCOME),
                f"{upstream} {{{{outcome}}}}",
            )
        ],
        unit="reqps",
    )
    waits = service_graph(
        "Time for upstreams",
        "95 of 100 requests were answered by the upstream within this time.",
        [Query(logs.quantile(metrics.LOG_GATEWAY_UPSTREAM_DURATION, 0.95, "upstream"), upstream)],
        unit="s",
    )
    throughput = service_graph(
        "Bytes through gateways",
        "Bytes a second by upstream. received: requests; sent: responses.",
        [
            Query(
                logs.rate(metrics.LOG_GATEWAY_BYTES, "upstream", "direction"), f"{upstream} {{{{direction}}}}"
            )
        ],
        unit="Bps",
    )
    return Section(
        row("Databases, caches, gateways"),
        [
            Line(7, [slow, duration, rows]),
            Line(7, [hits, cache, traffic]),
            Line(7, [gateway, waits, throughput]),
        ],
    )
