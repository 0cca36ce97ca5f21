"""Application: how full services are, what breaks in them, what they call, what their processes need."""

from typing import Any

from specter_core import metrics
from specter_dashboards import application_queries as queries
from specter_dashboards.application_calls import calls
from specter_dashboards.house import dashboard, row_link, service_link
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    GREEN,
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
    states,
    table,
    value_mapping,
)
from specter_dashboards.queries import exceptions, service

SERVICE = f"{{{{{metrics.SERVICE}}}}}"
INSTANCE = f"{SERVICE} {{{{instance}}}}"
# The bounds are those of the alerts.
SLOTS: Steps = ((UNKNOWN, None), (GREEN, 0), (YELLOW, 0.7), (RED, 0.9))
QUEUE: Steps = ((UNKNOWN, None), (GREEN, 0), (YELLOW, 0.1), (RED, 0.5))
LAG: Steps = ((UNKNOWN, None), (GREEN, 0), (YELLOW, 0.05), (RED, 0.1))


def application_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_APPLICATION,
        title="Application",
        description="How full services are, what breaks in them, what they call, what their processes need.",
        sections=[_saturation(), _exceptions(), calls(), _health(), _processes()],
    )


def _saturation() -> Section:
    now = [
        stat(
            "Slots taken",
            "Requests being served as a share of those that the fullest instance can serve at once.",
            [Query(queries.worst(metrics.INSTANCE_SLOTS_USED), SERVICE)],
            unit="percentunit",
            steps=SLOTS,
            no_value="Unknown: no service knows its slots",
            links=[service_link()],
        ),
        stat(
            "Wait for a worker",
            "One request in twenty waits longer than this between the proxy and the application.",
            [Query(queries.worst(metrics.SERVICE_QUEUE_P95), SERVICE)],
            unit="s",
            steps=QUEUE,
            no_value="Unknown: no proxy sets X-Request-Start",
            links=[service_link()],
        ),
        stat(
            "Event loop late",
            "For one twentieth of the time the event loop of the worst instance is later than this.",
            [Query(queries.worst(metrics.INSTANCE_LOOP_LAG_P95), SERVICE)],
            unit="s",
            steps=LAG,
            no_value="Unknown: no service runs an event loop",
            links=[service_link()],
        ),
    ]
    return Section(
        row("Saturation"), [Line(5, now), Line(7, _requests()), Line(7, [_thread_pool(), _sizes(), _queue()])]
    )


def _requests() -> list[Panel]:
    return [
        graph(
            "Requests being served",
            "Requests under way, and those that all workers together can serve at once.",
            [
                Query(queries.total(metrics.HTTP_SERVER_ACTIVE_REQUESTS), f"active {INSTANCE}"),
                Query(queries.total(metrics.HTTP_SERVER_SLOTS), f"slots {INSTANCE}"),
            ],
            unit="none",
            links=[service_link()],
        ),
        graph(
            "Workers",
            "Processes that serve requests.",
            [Query(queries.total(metrics.HTTP_SERVER_WORKERS), INSTANCE)],
            unit="none",
            links=[service_link()],
        ),
    ]


def _queue() -> Panel:
    return graph(
        "Waiting times",
        "p95 of the wait for a worker, and of the event loop's lag.",
        [
            Query(service(metrics.SERVICE_QUEUE_P95), f"queue {SERVICE}"),
            Query(service(metrics.INSTANCE_LOOP_LAG_P95), f"event loop {INSTANCE}"),
        ],
        unit="s",
        links=[service_link()],
    )


def _thread_pool() -> Panel:
    return graph(
        "Thread pool",
        "Threads for synchronous handlers: at work, at most, and calls that wait for one.",
        [
            Query(queries.total(metrics.THREADPOOL_BUSY), f"busy {INSTANCE}"),
            Query(queries.total(metrics.THREADPOOL_MAX), f"most {INSTANCE}"),
            Query(queries.total(metrics.THREADPOOL_WAITING), f"waiting {INSTANCE}"),
        ],
        unit="none",
        links=[service_link()],
    )


def _sizes() -> Panel:
    return graph(
        "Size of bodies",
        "Mean size of the bodies of requests and of responses.",
        [
            Query(
                queries.mean(metrics.HTTP_SERVER_REQUEST_BODY_SIZE, metrics.SERVICE), f"requests {SERVICE}"
            ),
            Query(
                queries.mean(metrics.HTTP_SERVER_RESPONSE_BODY_SIZE, metrics.SERVICE), f"responses {SERVICE}"
            ),
        ],
        unit="bytes",
        links=[service_link()],
    )


def _exceptions() -> Section:
    over_time = graph(
        "Exceptions by class",
        "Exceptions a second that escaped a request handler.",
        [Query(exceptions(), f"{SERVICE} {{{{{metrics.EXCEPTION}}}}}")],
        unit="cps",
        links=[service_link()],
    )
    where = table(
        "Exceptions by route",
        "Where exceptions escape now.",
        [Query(queries.exceptions_by_route())],
        unit="cps",
        columns=[
            (metrics.SERVICE, "service"),
            (metrics.ROUTE, "route"),
            (metrics.EXCEPTION, "exception"),
            ("Value", "a second"),
        ],
        overrides=[override("service", links=[row_link()])],
        sort="a second",
        no_value="None now, if the graph has data",
    )
    return Section(row("Exceptions"), [Line(8, [over_time, where])])


def _health() -> Section:
    up = states(
        "Health checks",
        "Whether the service reaches what it depends on, in every instance. A gap: not checked.",
        [Query(queries.checks(), f"{SERVICE} {{{{check}}}}")],
        mappings=[value_mapping({"1": ("Reached", GREEN), "0": ("Not reached", RED)})],
    )
    duration = graph(
        "Duration of health checks",
        "Duration of the newest run, up to its time-out.",
        [Query(queries.check_duration(), f"{SERVICE} {{{{check}}}}")],
        unit="s",
        links=[service_link()],
    )
    return Section(row("Health checks"), [Line(7, [up, duration])])


def _processes() -> Section:
    def of(title: str, description: str, expr: str, unit: str) -> Panel:
        return graph(title, description, [Query(expr, INSTANCE)], unit=unit, links=[service_link()])

    return Section(
        row("Processes"),
        [
            Line(
                7,
                [
                    of("Memory", "Resident memory.", queries.of_process(metrics.PROCESS_MEMORY), "bytes"),
                    of("CPU", "Cores in use.", queries.cpu(), "none"),
                    of(
                        "Open files",
                        "File descriptors.",
                        queries.of_process(metrics.PROCESS_OPEN_FDS),
                        "none",
                    ),
                    of("Age", "Time since the start; a fall is a restart.", queries.process_age(), "s"),
                ],
            )
        ],
    )
