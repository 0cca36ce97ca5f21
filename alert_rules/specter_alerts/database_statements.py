"""Statements of PostgreSQL that have become slow."""

from specter_alerts.annotations import looked_up, own
from specter_alerts.database_alert import LEVEL, NAME, OWN_LABELS, alert
from specter_alerts.model import AlertRule
from specter_alerts.settings import Settings, number
from specter_core import metrics
from specter_core.metrics import Metric

STATEMENT = f"{LEVEL}, database, statement"
ON_STATEMENT = f"on ({STATEMENT})"
# An hour ago, and yesterday at this time: a report that is slow each night is no news.
BEFORE = ("1h", "23h45m")


def rate(metric: Metric, window: str, offset: str = "") -> str:
    """Return how much a second of each statement."""
    ago = f" offset {offset}" if offset else ""
    return f"max by ({STATEMENT}) (rate({metric.name}[{window}]{ago}))"


def mean(window: str, offset: str = "") -> str:
    """Return the seconds a call of each statement."""
    seconds, calls = metrics.PG_STATEMENT_SECONDS, metrics.PG_STATEMENT_CALLS
    return f"{rate(seconds, window, offset)} / {rate(calls, window, offset)}"


def text() -> str:
    """Return a template of the statement's text."""
    labels = (*OWN_LABELS, "database", "statement")
    return looked_up(f"{metrics.PG_STATEMENT_INFO.name}{{{own(labels)}}}", labels, "{{ .Labels.query }}")


def alerts(settings: Settings) -> tuple[AlertRule, ...]:
    """Return the alerts on statements."""
    return (_slow(settings), _regressed(settings))


def _slow(settings: Settings) -> AlertRule:
    window = settings.pg_statement_window
    now = mean(window)
    usual = "\n".join(
        f"unless {ON_STATEMENT}\n{mean('30m', ago)} > {ON_STATEMENT}\n0.5 * ({now})" for ago in BEFORE
    )
    return alert(
        settings,
        "PostgresStatementSlow",
        f"{now} > {number(settings.pg_statement_seconds)}\nand {ON_STATEMENT}\n"
        f"{rate(metrics.PG_STATEMENT_SECONDS, window)} > {number(settings.pg_statement_share)}\n{usual}",
        "warning",
        "statement",
        wait="1m",
        keep_firing=settings.keep_firing,
        summary=f"A statement of {{{{ $labels.database }}}} on PostgreSQL {NAME} has become slow",
        description=(
            f"Statement {{{{ $labels.statement }}}} of {{{{ $labels.database }}}} on {NAME} takes "
            f"{{{{ $value | humanizeDuration }}}} a call, and more than "
            f"{number(settings.pg_statement_share)}s of each second; expected at most "
            f"{number(settings.pg_statement_seconds)}s, or what it took an hour ago or yesterday. "
            f"It is: {text()}"
        ),
        action=(
            "See its plan: EXPLAIN with values of a slow call. Has a release changed it, an index gone, a "
            "table grown or not been analysed?"
        ),
    )


def _regressed(settings: Settings) -> AlertRule:
    within = settings.pg_plan_within
    changed = f"max by ({STATEMENT}) (increase({metrics.PG_PLAN_CHANGES.name}[{within}])) > 0"
    most = number(settings.pg_plan_slower)
    return alert(
        settings,
        "PostgresPlanRegression",
        f"({mean('5m')}) / {ON_STATEMENT} ({mean('1h', within)}) > {most}\nand {ON_STATEMENT}\n{changed}\n"
        f"and {ON_STATEMENT}\n{rate(metrics.PG_STATEMENT_SECONDS, '5m')} > "
        f"{number(settings.pg_plan_share)}",
        "warning",
        "statement",
        wait="1m",
        keep_firing=settings.keep_firing,
        summary=f"A statement of {{{{ $labels.database }}}} on PostgreSQL {NAME} has a worse plan",
        description=(
            f"The plan of statement {{{{ $labels.statement }}}} of {{{{ $labels.database }}}} on {NAME} "
            f"changed within {within}, and a call takes {{{{ $value | humanize }}}} times as long as before; "
            f"expected at most {most}. This resolves by itself. It is: {text()}"
        ),
        action=(
            "Compare its plans on the dashboard. Create an index again that is gone; analyse a table that "
            "was not."
        ),
    )
