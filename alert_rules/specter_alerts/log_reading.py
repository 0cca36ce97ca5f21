"""Alerts on whether logs are read and understood: what is not read is seen by no other rule."""

from specter_alerts.counters import KNOWN, rate_of
from specter_alerts.log_alerts import BY_LOG, WHERE, log_alert
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics


def group(settings: Settings) -> RuleGroup:
    """Return the alerts on reading logs."""
    watched = (_unreadable, _silent, _backlog, _malformed, _overflow, _not_saved)
    return RuleGroup("specter_log_reading_alerts", tuple(alert(settings) for alert in watched))


def _unreadable(settings: Settings) -> AlertRule:
    return log_alert(
        settings,
        "LogUnreadable",
        f"min by ({BY_LOG}, instance) ({metrics.LOG_UP.name}{{{KNOWN}}}) == 0",
        "warning",
        summary="Log {{ $labels.log }} of {{ $labels.service }} cannot be read",
        description=(
            f"{{{{ $labels.instance }}}} finds nothing to read for {WHERE} (`{metrics.LOG_UP.name}` is "
            "{{ $value }}); expected 1. What it says is in no metric."
        ),
        action=(
            "`specter_log_read_errors_total` has the reason: a path that matches nothing, or rights (group "
            "`adm`)?"
        ),
        wait=settings.log_unreadable_for,
    )


def _silent(settings: Settings) -> AlertRule:
    within = settings.log_silent_within
    return log_alert(
        settings,
        "LogSilent",
        f"{rate_of(BY_LOG, metrics.LOG_LINES.name, within, function='increase')} == 0\n"
        f"and on ({BY_LOG})\n{metrics.LOG_WRITING_USUAL} >= {settings.log_regular_windows}\n"
        # That it cannot be read is told by LogUnreadable.
        f"unless on ({BY_LOG})\nmin by ({BY_LOG}) ({metrics.LOG_UP.name}) == 0",
        "warning",
        summary="Log {{ $labels.log }} of {{ $labels.service }} is silent",
        description=(
            f"Lines of {WHERE} within {within}: {{{{ $value }}}}; expected some, as it wrote round the clock "
            "the day before."
        ),
        action=(
            "Does the service run and have traffic? Then it writes elsewhere: another file, another level, a "
            "full disk."
        ),
        wait="1m",
    )


def _backlog(settings: Settings) -> AlertRule:
    backlog, within, most = metrics.LOG_BACKLOG.name, settings.errors_within, settings.log_backlog_bytes
    selected = f"{backlog}{{{KNOWN}}}"
    return log_alert(
        settings,
        "LogBacklogGrowing",
        # Never small and not shrinking: what is caught up after a restart shrinks.
        f"min_over_time({selected}[{within}]) > {number(most)}\nand delta({selected}[{within}]) > 0",
        "warning",
        summary="The log exporter falls behind in {{ $labels.log }} of {{ $labels.service }}",
        description=(
            f"At least {{{{ $value | humanize1024 }}}}B of {WHERE} were unread for {within}, and it has "
            f"become more; expected at most {number(most / 2**20)}MiB. Metrics of its lines come late."
        ),
        action=(
            "See the exporter's CPU: raise `limits.max_cpu_share`, drop what needs no rule, or run a second "
            "one for some of the logs."
        ),
        wait="5m",
    )


def _malformed(settings: Settings) -> AlertRule:
    limit = settings.log_malformed_ratio
    return log_alert(
        settings,
        "LogLinesMalformed",
        f"{metrics.LOG_MALFORMED_RATIO} > {number(limit)}",
        "warning",
        summary="Lines of log {{ $labels.log }} of {{ $labels.service }} are not of its format",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the lines of {WHERE} within 15m could not be taken "
            f"apart; expected at most {number(limit * 100)}%. They are counted with level unknown and in no "
            "other rule."
        ),
        action=(
            "See the reason on the dashboard, and give some lines to `specter exporter logs try`: format, "
            "pattern or service has changed."
        ),
        wait="10m",
    )


def _overflow(settings: Settings) -> AlertRule:
    by = f"{metrics.SERVICE}, metric"
    return log_alert(
        settings,
        "LogLabelOverflow",
        f"{rate_of(by, metrics.LOG_LABEL_OVERFLOW.name, '15m', function='increase')} > 0",
        "info",
        summary="{{ $labels.metric }} of {{ $labels.service }} has more label values than allowed",
        description=(
            "Entries of {{ $labels.service }} that were counted as `other` in {{ $labels.metric }} within "
            "15m: {{ $value | printf `%.0f` }}; expected 0."
        ),
        action="Write a route or list the values; raise `max_routes` or `max_values` if they are so many.",
        wait="15m",
    )


def _not_saved(settings: Settings) -> AlertRule:
    within = settings.errors_within
    errors = rate_of(
        f"{metrics.SERVICE}, instance", metrics.LOG_STATE_ERRORS.name, within, function="increase"
    )
    return log_alert(
        settings,
        "LogStateNotSaved",
        f"{errors} > 0",
        "warning",
        summary="The log exporter of {{ $labels.service }} cannot save how far it has read",
        description=(
            "Times that {{ $labels.instance }} could not save offsets and counters within "
            f"{within}: {{{{ $value | printf `%.0f` }}}}; expected 0. After a restart lines would count "
            "twice."
        ),
        action="Make room on the disk of `--storage.path`, or make the folder writable; its log says which.",
    )
