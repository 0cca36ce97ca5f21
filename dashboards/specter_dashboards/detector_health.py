"""How the detector does: age of its scores, series by state, failures."""

from specter_core import metrics
from specter_dashboards import queries
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    BLUE,
    GREEN,
    RED,
    UNKNOWN,
    YELLOW,
    Query,
    graph,
    row,
    stat,
    yes_or_no,
)


def detector() -> Section:
    """Return the section on the detector."""
    age = stat(
        "Age of the newest scores",
        "Time since the newest tick of each query whose scores the server has accepted.",
        [Query(queries.tick_age(), "{{query}}")],
        unit="s",
        steps=((UNKNOWN, None), (GREEN, -5), (YELLOW, 60), (RED, metrics.SCORES_STALE_SECONDS)),
        no_value="Unknown: the detector says nothing",
    )
    series = stat(
        "Series by state",
        "Series the detector scores, series with too little history yet, and learnt series that are missing.",
        [Query(queries.detector_series(), "{{state}}")],
        unit="none",
        steps=((BLUE, None),),
        no_value="Unknown: the detector says nothing",
    )
    source = yes_or_no(
        "Data source",
        "Whether the last query of every detector reached its data source.",
        [Query(queries.datasource_up())],
        "Reached",
        "Not reached",
        no_value="Unknown: the detector says nothing",
    )
    failures = graph(
        "Failed reads and writes",
        "Queries that were refused, empty or unreachable, and writes that were rejected or not "
        "delivered, a second.",
        [
            Query(queries.failed_reads(), "read {{query}}: {{outcome}}"),
            Query(queries.failed_writes(), "write: {{outcome}}"),
        ],
        unit="reqps",
    )
    duration = graph(
        "Duration of a tick",
        "p95 of the time to read, score and write one tick.",
        [Query(queries.tick_duration(), "p95")],
        unit="s",
    )
    return Section(row("Detector"), [Line(5, [age, series, source]), Line(7, [failures, duration])])
