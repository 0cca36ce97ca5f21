"""Scheduled jobs: what failed or did not run, how long runs take, whether they can tell, and deliveries."""

from typing import Any

from specter_core import metrics
from specter_dashboards import jobs_queries as queries
from specter_dashboards.house import choice_variable, dashboard, datasource, service_graph, service_variable
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    GREEN,
    ORANGE,
    RED,
    UNKNOWN,
    YELLOW,
    Panel,
    Query,
    override,
    row,
    stat,
    table,
    value_mapping,
    yes_or_no,
)
from specter_dashboards.queries import SERVICES

SERVICE = "{{service}}"
JOB = f"{{{{{metrics.JOB_NAME}}}}}"
UNKNOWN_JOBS = "Unknown: no job is watched"
NAMES = [("service", "service"), (metrics.JOB_NAME, "job")]


def jobs_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_JOBS,
        title="Jobs",
        description="Scheduled jobs: what ran, for how long, and what should have run and did not.",
        sections=[_now(), _all(), _runs(), _telling(), _deliveries()],
        variables=[datasource(), service_variable(), _job()],
    )


def _job() -> Any:
    found = f'label_values({metrics.JOB_INFO.name}{{service=~"$service"}}, {metrics.JOB_NAME})'
    return choice_variable(metrics.JOB_NAME, "Job", found)


def _count(title: str, description: str, condition: str, colour: str) -> Panel:
    steps = ((UNKNOWN, None), (GREEN, 0.0), (colour, 1.0))
    query = Query(queries.counted(condition), SERVICE)
    return stat(title, description, [query], unit="none", steps=steps, no_value=UNKNOWN_JOBS)


def _now() -> Section:
    failed = _count(
        "Jobs that failed",
        "Jobs whose newest run failed or was lost, and none well since.",
        queries.failed(),
        RED,
    )
    overdue = _count(
        "Jobs that did not run",
        "Jobs of which a run was missed that none has come after.",
        queries.overdue(),
        RED,
    )
    limit = queries.highest(metrics.JOB_MAX_DURATION)
    running = queries.since(metrics.JOB_RUNNING_SINCE)
    long = _count(
        "Jobs that take too long",
        "Jobs with a run under way for longer than their `max_duration`.",
        f"{running} > on ({queries.LEVEL}) {limit}",
        ORANGE,
    )
    ratio = stat(
        "Runs that succeed",
        "Share of the runs of the last day that ended well, of services with a hundred runs or more.",
        [Query(f"{metrics.SERVICE_JOB_SUCCESS_RATIO}{{{SERVICES}}}", SERVICE)],
        unit="percentunit",
        steps=((UNKNOWN, None), (RED, 0.0), (YELLOW, 0.98), (GREEN, 0.99)),
        decimals=2,
        no_value="Unknown: fewer than a hundred runs",
    )
    without = table(
        "Without a success",
        "Scheduled runs that have fallen due since one last ended well; one is ordinary while it is awaited.",
        [Query(f"{queries.highest(metrics.JOB_UNSUCCESSFUL)} > 0")],
        unit="short",
        columns=[*NAMES, ("Value", "runs due since")],
        sort="runs due since",
        no_value="Nothing is due",
    )
    return Section(row("What is wrong now"), [Line(5, [failed, overdue, long, ratio]), Line(7, [without])])


def _all() -> Section:
    every = table(
        "Jobs",
        "All jobs: their schedule, the newest runs, the next one. An exit status is shown where it was told.",
        [
            Query(queries.listed()),
            Query(queries.since(metrics.JOB_LAST_SUCCESS)),
            Query(queries.since(metrics.JOB_LAST_FAILURE)),
            Query(queries.highest(metrics.JOB_LAST_DURATION)),
            Query(queries.highest(metrics.JOB_EXIT_STATUS)),
            Query(queries.until_next()),
            Query(queries.highest(metrics.JOB_OVERDUE)),
        ],
        unit="s",
        columns=[
            *NAMES,
            ("kind", "kind"),
            ("schedule", "schedule"),
            ("Value #B", "last success ago"),
            ("Value #C", "last failure ago"),
            ("Value #D", "took"),
            ("Value #E", "exit status"),
            ("Value #F", "next in"),
            ("Value #G", "overdue"),
        ],
        overrides=[
            override("exit status", unit="none"),
            override(
                "overdue", unit="none", mappings=[value_mapping({"1": ("Overdue", RED), "0": ("No", GREEN)})]
            ),
        ],
        no_value=UNKNOWN_JOBS,
    )
    return Section(row("All jobs"), [Line(10, [every])])


def _runs() -> Section:
    runs = service_graph(
        "Runs", "Runs that ended, by outcome.", [Query(queries.runs(), "{{outcome}}")], unit="short"
    )
    missed = service_graph(
        "Missed runs",
        "Scheduled runs that none came for within the grace.",
        [Query(queries.missed(), JOB)],
        unit="short",
    )
    duration = service_graph(
        "Duration of the newest run",
        "What the newest run of each job took whose start and end were told.",
        [Query(queries.highest(metrics.JOB_LAST_DURATION), JOB)],
        unit="s",
    )
    mean = service_graph(
        "Mean duration",
        "Mean duration of the runs that ended.",
        [Query(queries.mean_duration(), JOB)],
        unit="s",
    )
    running = service_graph(
        "Under way", "Runs under way.", [Query(queries.highest(metrics.JOB_RUNNING), JOB)], unit="short"
    )
    output = service_graph(
        "Output of the newest run",
        "Size of the output that came with the newest run: a backup that shrinks, a digest of nobody.",
        [Query(queries.highest(metrics.JOB_OUTPUT_SIZE), JOB)],
        unit="bytes",
    )
    attempts = service_graph(
        "Attempts of the newest run",
        "Attempts that the newest run took, where it was told.",
        [Query(queries.highest(metrics.JOB_ATTEMPTS), JOB)],
        unit="short",
    )
    return Section(
        row("Runs"),
        [Line(8, [runs, missed]), Line(8, [duration, mean]), Line(7, [running, output, attempts])],
    )


def _telling() -> Section:
    endpoint = yes_or_no(
        "Listener of pings",
        "Whether the listener of pings answers the exporter itself.",
        [Query(queries.of_service(metrics.JOB_PINGS_UP), SERVICE)],
        "Up",
        "Down",
        no_value="Unknown: no exporter is scraped",
    )
    store = yes_or_no(
        "Store",
        "Whether the newest write to the store was kept.",
        [Query(queries.of_service(metrics.JOB_STORE_UP), SERVICE)],
        "Up",
        "Down",
        no_value="Unknown: no exporter is scraped",
    )
    pings = service_graph(
        "Pings",
        "Pings a second, by what became of them.",
        [Query(queries.pings(), "{{result}}")],
        unit="reqps",
    )
    commit = service_graph(
        "Writes", "Mean time of a write to the store.", [Query(queries.commit(), SERVICE)], unit="s"
    )
    return Section(row("Whether jobs can tell"), [Line(6, [endpoint, store, pings, commit])])


def _deliveries() -> Section:
    provider = f"{{{{{metrics.DELIVERY_PROVIDER}}}}}"
    events = service_graph(
        "Deliveries",
        "What providers tell of mails and webhooks, a second.",
        [Query(queries.deliveries(), f"{provider} {{{{outcome}}}}")],
        unit="cps",
    )
    share = service_graph(
        "Not delivered",
        "Share that bounced, was dropped or complained of, of what is over.",
        [Query(queries.undelivered(), provider)],
        unit="percentunit",
    )
    return Section(row("Deliveries"), [Line(8, [events, share])])
