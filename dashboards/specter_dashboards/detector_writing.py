"""The dashboard Detector's lower half: what is written, what is learnt, and what it takes."""

from specter_core import metrics
from specter_dashboards import detector_queries as queries
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    BLUE,
    ORANGE,
    RED,
    Query,
    graph,
    row,
    yes_or_no,
)

INSTANCE = "{{instance}}"
NO_SPOOL = "No spool: nothing is written to a server"
# As the alerts have them: `detector_memory_bytes`, `detector_cpu_cores`, `fit_late_seconds`.
MEMORY = ((BLUE, None), (RED, 2 * 2**30))
CORES = ((BLUE, None), (ORANGE, 0.9))
LATE = ((BLUE, None), (RED, 10_800))


def writing() -> Section:
    """Return the section on delivery."""
    samples = graph(
        "Samples written",
        "Samples a second that the remote-write server accepted.",
        [Query(queries.rate(metrics.DETECTOR_SAMPLES_WRITTEN, "instance"), INSTANCE)],
        unit="cps",
    )
    dropped = graph(
        "Samples given up",
        "Samples a second that were not sent, refused for good, or lost while they waited, by reason. "
        "conflict: another detector writes the same series.",
        [Query(queries.rate(metrics.DETECTOR_SAMPLES_DROPPED, "reason"), "{{reason}}")],
        unit="cps",
    )
    requests = graph(
        "Writes by outcome",
        "Remote-write requests a second. Unreachable ones are sent again, rejected ones are taken apart.",
        [Query(queries.rate(metrics.DETECTOR_WRITES, "outcome"), "{{outcome}}")],
        unit="reqps",
    )
    duration = graph(
        "Duration of writes",
        "95 of 100 remote-write requests are answered within this time, by outcome.",
        [Query(queries.quantile(metrics.DETECTOR_WRITE_REQUEST_DURATION, 0.95, "outcome"), "{{outcome}}")],
        unit="s",
    )
    sent = graph(
        "Data written",
        "Bytes of remote-write requests a second, compressed.",
        [Query(queries.rate(metrics.DETECTOR_SENT_BYTES, "instance"), INSTANCE)],
        unit="Bps",
    )
    waiting = graph(
        "Samples that wait",
        "Samples between two deliveries are a tick's. More and more: the server is away or too slow.",
        [Query(queries.total(metrics.DETECTOR_SPOOL_SAMPLES, "instance"), INSTANCE)],
        unit="short",
    )
    size = graph(
        "Size of the spool",
        "Bytes kept for the remote-write server; by default at most 1 GiB.",
        [Query(queries.total(metrics.DETECTOR_SPOOL_BYTES, "instance"), INSTANCE)],
        unit="bytes",
    )
    persistent = yes_or_no(
        "Spool",
        "Whether samples are on disk before they are sent.",
        [Query(queries.worst(metrics.DETECTOR_SPOOL_PERSISTENT), INSTANCE)],
        "On disk",
        "In memory only",
        no_value=NO_SPOOL,
    )
    return Section(
        row("Writing"),
        [Line(7, [samples, dropped, requests, duration]), Line(7, [waiting, size, sent, persistent])],
    )


def learning() -> Section:
    """Return the section on fits."""
    fits = graph(
        "Fits by outcome",
        "Fits of a query a second; after an error old models stay.",
        [Query(queries.rate(metrics.DETECTOR_FITS, "outcome"), "{{outcome}}")],
        unit="cps",
    )
    duration = graph(
        "Duration of fits",
        "Duration of the newest fit of each query, reading its history included.",
        [Query(queries.fit_duration(), "{{query}}")],
        unit="s",
    )
    age = graph(
        "Age of models",
        "Time since each query was last fitted. It drops back once in fit_every.",
        [Query(queries.age(metrics.DETECTOR_LAST_FIT), "{{query}}")],
        unit="s",
        steps=LATE,
    )
    pool = graph(
        "Processes that fit",
        "Processes of this machine (local) or of a Dask cluster, and how often a second they were replaced "
        "because they died or hung.",
        [
            Query(queries.total(metrics.DETECTOR_FIT_WORKERS, "executor"), "{{executor}}"),
            Query(queries.rate(metrics.DETECTOR_FIT_POOL_RESTARTS, "reason"), "replaced: {{reason}}"),
        ],
        unit="short",
    )
    excluded = graph(
        "Not learnt from",
        "Deployments, maintenance and incidents that hold now; what happens in them is no example.",
        [Query(queries.total(metrics.DETECTOR_EXCLUSIONS, "kind"), "{{kind}}")],
        unit="short",
    )
    watched = graph(
        "Queries, models and presets",
        "What the configuration has the detectors watch, and how many queries of each preset are on.",
        [
            Query(queries.total(metrics.DETECTOR_QUERIES, "instance"), f"queries {INSTANCE}"),
            Query(queries.total(metrics.DETECTOR_MODELS, "instance"), f"models {INSTANCE}"),
            Query(queries.total(metrics.DETECTOR_PRESET_QUERIES, "preset"), "preset {{preset}}"),
        ],
        unit="short",
    )
    return Section(row("Learning"), [Line(7, [fits, duration, age]), Line(7, [pool, excluded, watched])])


def resources() -> Section:
    """Return the section on CPU, memory and disk."""
    cpu = graph(
        "CPU",
        "Cores that each detector uses, without the processes that fit. Ticks run in one thread.",
        [Query(queries.cpu(), INSTANCE)],
        unit="short",
        steps=CORES,
    )
    memory = graph(
        "Memory",
        "Resident memory of each detector, without the processes that fit.",
        [Query(queries.of_process(metrics.PROCESS_MEMORY), INSTANCE)],
        unit="bytes",
        steps=MEMORY,
    )
    files = graph(
        "Open files",
        "Open file descriptors. A steady rise is a leak.",
        [Query(queries.of_process(metrics.PROCESS_OPEN_FDS), INSTANCE)],
        unit="short",
    )
    errors = graph(
        "Refusals of the disk",
        "Times a second that the disk refused history, state or spool.",
        [Query(queries.rate(metrics.DETECTOR_STORAGE_ERRORS, "what"), "{{what}}")],
        unit="cps",
    )
    saves = graph(
        "Duration of saving",
        "Duration of the newest save of what has been learnt.",
        [Query(queries.total(metrics.DETECTOR_SAVE_DURATION, "instance"), INSTANCE)],
        unit="s",
    )
    saved = graph(
        "Age of what is saved",
        "Time since what has been learnt was saved; ticks since then are replayed after a restart.",
        [Query(queries.age_of_save(), INSTANCE)],
        unit="s",
    )
    return Section(row("Resources"), [Line(7, [cpu, memory, files]), Line(7, [errors, saves, saved])])
