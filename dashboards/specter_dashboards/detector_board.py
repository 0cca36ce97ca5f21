"""Detector: whether the detectors are well, and where their time, samples and memory go."""

from typing import Any

from grafanalib import core as grafana

from specter_core import metrics
from specter_dashboards import detector_queries as queries
from specter_dashboards.detector_writing import learning, resources, writing
from specter_dashboards.house import (
    annotation,
    choice_variable,
    dashboard,
    datasource,
)
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    BLUE,
    COLOR_TEXT,
    GREEN,
    NEUTRAL,
    ORANGE,
    RED,
    SCORE,
    UNKNOWN,
    YELLOW,
    Json,
    Panel,
    Query,
    graph,
    override,
    row,
    stat,
    steps_json,
    table,
    yes_or_no,
)

INSTANCE = "{{instance}}"
SILENT = "Unknown: no detector says anything"
WEB = "http://localhost:9845"
RATIO = ((GREEN, None), (YELLOW, 0.1), (RED, 0.5))


def detector_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_DETECTOR,
        title="Detector",
        description="Whether the anomaly detectors are well, and where their time, samples and memory go.",
        sections=[_health(), _data(), _scoring(), writing(), learning(), resources()],
        variables=[datasource(), _instance(), _pages()],
        annotations=[
            annotation(
                "Alerts firing",
                queries.firing(),
                RED,
                title="{{alertname}}",
                tags="severity,instance,query",
            ),
            annotation(
                "Configuration read", queries.reloaded(), BLUE, title=f"{INSTANCE} reloaded", tags="instance"
            ),
        ],
    )


def _instance() -> Any:
    return choice_variable("instance", "Detector", f"label_values({metrics.DETECTOR_BUILD.name}, instance)")


def _pages() -> Any:
    """Return the variable with the address of the detector's pages, which only the reader's browser knows."""
    return grafana.Template(name="pages", label="Pages at", type="textbox", query=WEB)


def _pages_link(text: str = "") -> Json:
    """Return a data link from a table's row to the query's most anomalous series on the detector's pages."""
    return {"title": "On the detector's pages", "url": f"${{pages}}/?query=${{__data.fields.query}}{text}"}


def _health() -> Section:
    up = yes_or_no(
        "Detectors",
        "Whether each detector answers its scrape; those that did within the last hour are missed.",
        [Query(queries.up(), INSTANCE)],
        "Up",
        "Down",
        no_value=SILENT,
    )
    configuration = yes_or_no(
        "Configuration",
        "Whether the configuration was valid when it was read last. Refused: the one before is in use.",
        [Query(queries.worst(metrics.DETECTOR_RELOAD_SUCCESSFUL), INSTANCE)],
        "Valid",
        "Refused",
        no_value=SILENT,
    )
    source = yes_or_no(
        "Data source",
        "Whether the last query reached the data source.",
        [Query(queries.worst(metrics.DETECTOR_DATASOURCE_UP), INSTANCE)],
        "Reached",
        "Not reached",
        no_value=SILENT,
    )
    scores = stat(
        "Age of the oldest scores",
        "Time since the newest accepted scores of the query that is furthest behind.",
        [Query(queries.oldest_scores(), INSTANCE)],
        unit="s",
        steps=((UNKNOWN, None), (GREEN, -5), (YELLOW, 60), (RED, metrics.SCORES_STALE_SECONDS)),
        no_value="Unknown: no scores were written",
    )
    loop = stat(
        "Scheduler",
        "Time since the scheduler last looked for a tick; it does so every five seconds, unless a tick runs.",
        [Query(queries.loop_age(), INSTANCE)],
        unit="s",
        steps=((UNKNOWN, None), (GREEN, -5), (YELLOW, 60), (RED, 300)),
        no_value=SILENT,
    )
    clock = stat(
        "Clock",
        "By how much the detector's clock is ahead of the data source's. Beyond a minute the data source's "
        "counts: set the clock.",
        [Query(queries.clock_ahead(), INSTANCE)],
        unit="s",
        steps=((RED, None), (GREEN, -60), (RED, 60)),
        no_value=SILENT,
    )
    version = stat(
        "Versions",
        "Detectors by version. Two versions: an upgrade is under way, or stuck.",
        [Query(queries.versions(), "{{version}} (Python {{python_version}})")],
        unit="none",
        steps=((BLUE, None),),
        no_value=SILENT,
    )
    duration = graph(
        "Duration of ticks",
        "Half of all ticks, and 95 of 100, take at most this long to read, score and write.",
        [
            Query(queries.quantile(metrics.DETECTOR_TICK_DURATION, 0.5), "p50"),
            Query(queries.quantile(metrics.DETECTOR_TICK_DURATION, 0.95), "p95"),
        ],
        unit="s",
    )
    ticks = graph(
        "Ticks skipped and caught up",
        "Ticks a second that were given up, and that were run late with the values of their time. Both are "
        "0 while all is well.",
        [
            Query(queries.rate(metrics.DETECTOR_TICKS_SKIPPED, "instance"), f"skipped {INSTANCE}"),
            Query(queries.rate(metrics.DETECTOR_TICKS_CAUGHT_UP, "instance"), f"caught up {INSTANCE}"),
        ],
        unit="cps",
    )
    return Section(
        row("Health"),
        [Line(5, [up, configuration, source, scores, loop, version]), Line(7, [duration, ticks, clock])],
    )


def _data() -> Section:
    series = graph(
        "Series by state",
        "Scored; warming: no model yet; absent: learnt, and missing; invalid: no finite value; over_limit: "
        "more than max_series, not watched.",
        [Query(queries.total(metrics.DETECTOR_SERIES, "state"), "{{state}}")],
        unit="short",
        stacked=True,
    )
    reads = graph(
        "Reads by outcome",
        "PromQL queries a second. Empty: no series; error: refused or not answered in time; unreachable: no "
        "server.",
        [Query(queries.rate(metrics.DETECTOR_READS, "outcome"), "{{outcome}}")],
        unit="reqps",
    )
    requests = graph(
        "Duration of reads",
        "95 of 100 requests to the data source begin to be answered within this time, by class of status. "
        "none: no answer.",
        [Query(queries.quantile(metrics.DETECTOR_READ_REQUEST_DURATION, 0.95, "code"), "{{code}}")],
        unit="s",
    )
    received = graph(
        "Data read",
        "Bytes of answers a second.",
        [Query(queries.rate(metrics.DETECTOR_READ_BYTES, "instance"), INSTANCE)],
        unit="Bps",
    )
    return Section(
        row("Data"), [Line(8, [series, reads]), Line(7, [requests, received]), Line(9, [_watched()])]
    )


def _watched() -> Panel:
    stale = ((GREEN, None), (YELLOW, 60), (RED, metrics.SCORES_STALE_SECONDS))
    late = ((GREEN, None), (YELLOW, 7200), (RED, 10_800))
    return table(
        "Queries",
        "Every query: series by state, share of series in anomaly, age of scores and of the last fit.",
        [
            Query(queries.series_of("scored")),
            Query(queries.series_of("warming")),
            Query(queries.series_of("absent")),
            Query(queries.series_of("over_limit")),
            Query(queries.anomalous_ratio()),
            Query(queries.age(metrics.DETECTOR_LAST_TICK)),
            Query(queries.age(metrics.DETECTOR_LAST_FIT)),
        ],
        unit="short",
        columns=[
            ("query", "query"),
            ("Value #A", "scored"),
            ("Value #B", "warming"),
            ("Value #C", "absent"),
            ("Value #D", "over the limit"),
            ("Value #E", "in anomaly"),
            ("Value #F", "age of scores"),
            ("Value #G", "last fit"),
        ],
        overrides=[
            override("query", links=[_pages_link()]),
            override(
                "over the limit",
                thresholds=steps_json(((GREEN, None), (ORANGE, 1))),
                custom__cellOptions=COLOR_TEXT,
            ),
            override(
                "in anomaly", unit="percentunit", thresholds=steps_json(RATIO), custom__cellOptions=COLOR_TEXT
            ),
            override("age of scores", unit="s", thresholds=steps_json(stale), custom__cellOptions=COLOR_TEXT),
            override("last fit", unit="s", thresholds=steps_json(late), custom__cellOptions=COLOR_TEXT),
        ],
        sort="in anomaly",
        no_value=SILENT,
    )


def _scoring() -> Section:
    ratio = graph(
        "Share of series in anomaly",
        "Share of each query's series with a score above 1. One series is its own matter; a tenth at once is "
        "something that they have in common.",
        [Query(queries.anomalous_ratio(), "{{query}}")],
        unit="percentunit",
        steps=RATIO,
    )
    top = table(
        "Most anomalous series",
        f"The {queries.TOP_SERIES} highest fresh scores of all detectors' outputs. Series that differ in "
        "other labels are one row, with their highest score.",
        [Query(queries.top_scores())],
        unit="short",
        columns=[
            (metrics.FOR, "query"),
            (metrics.SERVICE, "service"),
            (metrics.ROUTE, "route"),
            ("instance", "instance"),
            ("queue", "queue"),
            ("datname", "database"),
            ("Value", "score"),
        ],
        overrides=[
            override("query", links=[_pages_link("&text=${__data.fields.service}")]),
            override("score", thresholds=steps_json(SCORE), custom__cellOptions=COLOR_TEXT, decimals=2),
        ],
        sort="score",
        no_value="Unknown: no fresh scores",
    )
    time = graph(
        "Time for judging",
        "Share of a core that judging the series of each query takes.",
        [Query(queries.rate(metrics.DETECTOR_MODEL_RUN_SECONDS, "query"), "{{query}}")],
        unit="percentunit",
        steps=NEUTRAL,
    )
    runs = graph(
        "Runs of models",
        "Times a second that a model judged the series of a query. An error breaks its tick off.",
        [Query(queries.rate(metrics.DETECTOR_MODEL_RUNS, "outcome"), "{{outcome}}")],
        unit="cps",
    )
    return Section(row("Scoring"), [Line(9, [ratio, top]), Line(7, [time, runs])])
