"""The dashboard Logs' lowest part: whether logs are read and understood, and what is left out."""

from specter_core import metrics
from specter_dashboards import logs_queries as logs
from specter_dashboards.house import service_graph
from specter_dashboards.layout import Line, Section
from specter_dashboards.logs_queries import LOG
from specter_dashboards.panels import BLUE, RED, Query, row

# As the alert has it: `log_backlog_bytes`.
BACKLOG = ((BLUE, None), (RED, 2**20))


def reading() -> Section:
    """Return the section on reading."""
    read = service_graph(
        "Bytes read",
        "Bytes of each log that are read a second.",
        [Query(logs.rate(metrics.LOG_READ_BYTES), LOG)],
        unit="Bps",
    )
    backlog = service_graph(
        "Backlog",
        "Bytes that are written and not read yet.",
        [Query(logs.total(metrics.LOG_BACKLOG), LOG)],
        unit="bytes",
        steps=BACKLOG,
    )
    newest = service_graph(
        "Age of the newest entry",
        "Time since the newest time in an entry. It grows while the log is silent, or read late.",
        [Query(logs.age(metrics.LOG_NEWEST_ENTRY, logs.labels()), LOG)],
        unit="s",
    )
    files = service_graph(
        "Files",
        "Files that are followed, and files beyond the limit, which are not.",
        [
            Query(logs.total(metrics.LOG_FILES), f"{LOG} followed"),
            Query(logs.total(metrics.LOG_FILES_IGNORED), f"{LOG} ignored"),
        ],
        unit="short",
    )
    malformed = service_graph(
        "Malformed lines",
        "Lines a second that are not of the configured format, by reason, and those that were cut.",
        [
            Query(logs.rate(metrics.LOG_MALFORMED_LINES, "reason"), f"{LOG} {{{{reason}}}}"),
            Query(logs.rate(metrics.LOG_CUT_LINES), f"{LOG} cut"),
        ],
        unit="cps",
    )
    odd = service_graph(
        "Odd values",
        "Entries a second with a time of the future, with a field that is no number, or with more label "
        "values than allowed.",
        [
            Query(logs.rate(metrics.LOG_FUTURE_TIMESTAMPS), f"{LOG} of the future"),
            Query(logs.rate(metrics.LOG_FIELD_ERRORS, "metric"), f"{LOG} no number for {{{{metric}}}}"),
            Query(logs.overflow(), f"{{{{{metrics.SERVICE}}}}} other in {{{{metric}}}}"),
        ],
        unit="cps",
    )
    rotations = service_graph(
        "Rotations, lost files, read errors",
        "Times a second that a file was taken away, that its unread rest was not found again, and that a "
        "file could not be read.",
        [
            Query(logs.rate(metrics.LOG_ROTATIONS, "how"), f"{LOG} {{{{how}}}}"),
            Query(logs.rate(metrics.LOG_LOST_FILES), f"{LOG} lost"),
            Query(logs.rate(metrics.LOG_READ_ERRORS, "reason"), f"{LOG} {{{{reason}}}}"),
        ],
        unit="cps",
    )
    saved = service_graph(
        "Age of what is saved",
        "Time since offsets and counters were saved; what came since then may count twice after a restart.",
        [
            Query(logs.age(metrics.LOG_STATE_SAVED, f"{metrics.SERVICE}, instance"), "{{instance}}"),
            Query(logs.state_errors(), "errors a second {{instance}}"),
        ],
        unit="s",
    )
    return Section(
        row("Reading"), [Line(7, [read, backlog, newest, files]), Line(7, [malformed, odd, rotations, saved])]
    )
