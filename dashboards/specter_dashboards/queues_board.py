"""Queues and workers: what waits and since when, who works on it, and the caches beside it."""

from functools import partial
from typing import Any

from specter_core import metrics
from specter_dashboards import database_queries as servers
from specter_dashboards import queues_queries as queries
from specter_dashboards.house import (
    choice_variable,
    dashboard,
    datasource,
    server_graph,
    server_state,
    service_variable,
)
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    GREEN,
    RED,
    UNKNOWN,
    YELLOW,
    Query,
    row,
    stat,
    table,
    value_mapping,
    yes_or_no,
)

SERVER = "{{server}}"
QUEUE = "{{queue}} ({{system}}) {{server}}"
SYSTEM = "{{system}} {{server}}"
UNASKED = "Unknown: no broker was asked"

_state = partial(server_state, no_value=UNASKED)


def queues_board() -> Any:
    """Return the dashboard."""
    server = choice_variable(
        "server", "Server", f'label_values({metrics.QUEUE_UP.name}{{service=~"$service"}}, server)'
    )
    return dashboard(
        uid=metrics.DASHBOARD_QUEUES,
        title="Queues and workers",
        description="Queues, workers and caches: what waits, since when, and who works on it.",
        sections=[_now(), _queues(), _work(), _workers(), _caches(), _exporter()],
        variables=[datasource(), service_variable(), server],
    )


def _now() -> Section:
    up = yes_or_no(
        "Brokers",
        "Whether the broker took a connection of the exporter's and answered, at the newest scrape.",
        [Query(servers.highest(metrics.QUEUE_UP), SERVER)],
        "Up",
        "No answer",
        no_value=UNASKED,
    )
    safe = stat(
        "Keeps messages",
        "Whether the broker's policy lets it delete keys, and queues with them, when its memory is full.",
        [Query(servers.highest(metrics.BROKER_EVICTS), SERVER)],
        unit="none",
        steps=((UNKNOWN, None),),
        no_value="Unknown: no queue was found",
        mappings=[value_mapping({"0": ("Keeps them", GREEN), "1": ("May delete", RED)})],
    )
    numbers = [
        _state(
            "Oldest message",
            "How long it has waited, at least. Alerts at ten minutes and an hour.",
            queries.oldest(),
            "s",
            (YELLOW, 600),
            (RED, 3600),
        ),
        _state(
            "Messages waiting",
            "Ready to be taken, over all queues.",
            queries.total(metrics.QUEUE_READY),
            "short",
        ),
        _state(
            "Given up",
            "Messages that were given up and are kept, over all queues.",
            queries.total(metrics.QUEUE_DEAD_LETTERS),
            "short",
            (YELLOW, 1),
        ),
        _state(
            "Workers lost", "Their heartbeat stopped without a farewell.", queries.lost(), "short", (RED, 1)
        ),
        safe,
    ]
    unreachable = table(
        "Brokers without an answer",
        "Why the broker could not be asked. Empty while all answer, or nothing is watched.",
        [Query(queries.unreachable())],
        unit="short",
        columns=[("service", "service"), ("server", "server"), ("reason", "reason")],
        no_value="No failure is known",
    )
    partial = table(
        "What is not known",
        "Collectors that could not learn everything at the newest scrape, and why. What they lack is absent.",
        [Query(servers.highest(metrics.QUEUE_COLLECTOR_FAILURE, by="collector, reason"))],
        unit="short",
        columns=[("server", "server"), ("collector", "collector"), ("reason", "reason")],
        no_value="No failure is known",
    )
    return Section(row("What is wrong now"), [Line(5, [up, *numbers]), Line(6, [unreachable, partial])])


def _queues() -> Section:
    graphs = [
        server_graph(title, description, [Query(query, QUEUE)], unit=unit)
        for title, description, query, unit in (
            (
                "Ready",
                "Messages that could be taken now. A gap: it is not known.",
                queries.by_queue(metrics.QUEUE_READY),
                "short",
            ),
            (
                "Age of the oldest",
                "How long the oldest ready message has waited; at least so long without a stamp.",
                queries.recorded(metrics.QUEUE_AGE),
                "s",
            ),
            (
                "Wait of what is published now",
                "At the pace of two minutes, by how the age of the oldest grows. An alert above 10 minutes.",
                queries.recorded(metrics.QUEUE_WAIT),
                "s",
            ),
            (
                "Time until empty",
                "At the pace of the last ten minutes. None while a queue grows.",
                queries.recorded(metrics.QUEUE_DRAIN),
                "s",
            ),
            (
                "In progress",
                "Messages that workers have taken, in advance too, and not acknowledged.",
                queries.by_queue(metrics.QUEUE_IN_PROGRESS),
                "short",
            ),
            (
                "Scheduled",
                "Messages that are to be taken later.",
                queries.by_queue(metrics.QUEUE_SCHEDULED),
                "short",
            ),
            (
                "Dead letters",
                "Messages that were given up and are kept.",
                queries.by_queue(metrics.QUEUE_DEAD_LETTERS),
                "short",
            ),
        )
    ]
    return Section(row("Queues"), [Line(8, graphs[:4]), Line(7, graphs[4:])])


def _work() -> Section:
    rates = [
        server_graph(title, description, [Query(queries.rate_by_queue(counter), QUEUE)], unit="cps")
        for title, description, counter in (
            ("Arriving", "Messages published a second; at least so many.", metrics.QUEUE_ARRIVED),
            ("Finished", "Messages finished a second; at least so many.", metrics.QUEUE_COMPLETED),
            ("Failing", "Messages a second that workers failed at for good.", metrics.QUEUE_FAILED),
            ("Tried again", "Attempts a second that failed and are to be made again.", metrics.QUEUE_RETRIED),
        )
    ]
    ratios = server_graph(
        "Share that fails or is tried again",
        "Of the attempts of a quarter of an hour. Alerts at 10 and 30 %.",
        [
            Query(queries.recorded(metrics.QUEUE_FAILURE_RATIO), f"{QUEUE} fails"),
            Query(queries.recorded(metrics.QUEUE_RETRY_RATIO), f"{QUEUE} again"),
        ],
        unit="percentunit",
    )
    tasks = server_graph(
        "Failing tasks by name",
        "Celery's tasks a second that failed for good.",
        [Query(queries.failing_tasks(), "{{task}} {{server}}")],
        unit="cps",
    )
    return Section(row("Work"), [Line(7, rates[:2]), Line(7, [rates[2], tasks]), Line(7, [rates[3], ratios])])


def _workers() -> Section:
    states = server_graph(
        "Workers by state",
        "Busy, idle, suspended, and lost: the heartbeat stopped without a farewell. Absent: nothing tells.",
        [Query(servers.highest(metrics.QUEUE_WORKERS, by="system, state"), f"{SYSTEM} {{{{state}}}}")],
        unit="short",
    )
    silence = server_graph(
        "Since the last sign of life",
        "Of those that were heard the longest ago. Celery's beat every 2 s, RQ's every 405 s when idle.",
        [Query(queries.silence(), f"{{{{worker}}}} {SYSTEM}")],
        unit="s",
    )
    held = server_graph(
        "Longest in progress",
        "Since when the oldest message that workers hold was taken.",
        [Query(queries.held(), QUEUE)],
        unit="s",
    )
    consumers = server_graph(
        "Consumers",
        "Who takes messages of a queue, where the broker counts them.",
        [Query(queries.by_queue(metrics.QUEUE_CONSUMERS), QUEUE)],
        unit="short",
    )
    return Section(row("Workers"), [Line(7, [states, silence]), Line(7, [held, consumers])])


def _caches() -> Section:
    hits = server_graph(
        "Cache hit ratio",
        "Share of the lookups of a quarter of an hour that found something, and its mean of the last day.",
        [
            Query(servers.of(metrics.CACHE_HIT_RATIO), SERVER),
            Query(servers.of(metrics.CACHE_HIT_USUAL), f"{SERVER} usual"),
        ],
        unit="percentunit",
    )
    evictions = server_graph(
        "Keys deleted for want of memory",
        "A second. Of a broker, every one may be a queue.",
        [Query(servers.rate(metrics.CACHE_EVICTIONS), SERVER)],
        unit="cps",
    )
    memory = server_graph(
        "Memory in use",
        "Share of maxmemory. Servers without a limit are not shown.",
        [Query(queries.memory_used(), SERVER)],
        unit="percentunit",
    )
    size = server_graph(
        "Memory", "In use.", [Query(servers.highest(metrics.CACHE_MEMORY), SERVER)], unit="bytes"
    )
    return Section(row("Caches"), [Line(7, [hits, evictions]), Line(7, [memory, size])])


def _exporter() -> Section:
    duration = server_graph(
        "Duration of collectors",
        "What each took at the newest scrape.",
        [
            Query(
                servers.highest(metrics.QUEUE_COLLECTOR_DURATION, by="collector"),
                f"{SERVER} {{{{collector}}}}",
            )
        ],
        unit="s",
    )
    dropped = server_graph(
        "Left out",
        "Queues and workers over the configured limits.",
        [Query(servers.highest(metrics.QUEUE_DROPPED, by="collector"), f"{SERVER} {{{{collector}}}}")],
        unit="short",
    )
    complete = server_graph(
        "Searched for queues",
        "1 once every key of the database was looked at; until then some queues may be missing.",
        [Query(servers.highest(metrics.QUEUE_DISCOVERED), SERVER)],
        unit="short",
    )
    return Section(row("Exporter"), [Line(7, [duration, dropped, complete])])
