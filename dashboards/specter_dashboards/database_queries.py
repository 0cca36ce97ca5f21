"""PromQL of the dashboard Database."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_dashboards.queries import SERVICES

LEVEL = f"{metrics.SERVICE}, {metrics.SERVER}"
CHOSEN = f'{SERVICES}, {metrics.SERVER}=~"$server"'
STATEMENT = f"{LEVEL}, database, statement"


def of(metric: Metric | str, *matchers: str) -> str:
    """Select a metric of the chosen servers."""
    name = metric if isinstance(metric, str) else metric.name
    return f"{name}{{{', '.join((CHOSEN, *matchers))}}}"


def level(by: str = "") -> str:
    """Return the labels of a server, and `by`."""
    return f"{LEVEL}, {by}" if by else LEVEL


def highest(metric: Metric, *matchers: str, by: str = "") -> str:
    """Return the highest value of each server, and of each of the labels `by`."""
    return f"max by ({level(by)}) ({of(metric, *matchers)})"


def total(metric: Metric, *matchers: str, by: str = "") -> str:
    """Return the sum over each server, and over each of the labels `by`."""
    return f"sum by ({level(by)}) ({of(metric, *matchers)})"


def rate(metric: Metric, by: str = "") -> str:
    """Return how much a second."""
    return f"sum by ({level(by)}) (rate({of(metric)}[$__rate_interval]))"


def fullest(metric: Metric, by: str, most: int = 10) -> str:
    """Return the series with the highest values now."""
    return f"topk({most}, {highest(metric, by=by)})"


def usable() -> str:
    """Return how many connections ordinary roles can have."""
    return f"{highest(metrics.PG_MAX_CONNECTIONS)} - {highest(metrics.PG_RESERVED_CONNECTIONS)}"


def unreachable() -> str:
    """Return the servers that could not be asked, with the reason."""
    return f"{highest(metrics.PG_FAILURE, by='reason')} == 1"


def hit_ratio() -> str:
    """Return the share of blocks that were in the server's cache."""
    hits, reads = (
        rate(metric, "database") for metric in (metrics.PG_DB_BLOCKS_HIT, metrics.PG_DB_BLOCKS_READ)
    )
    return f"{hits} / ({hits} + {reads})"


def rollback_ratio() -> str:
    """Return the share of transactions that were rolled back."""
    bad, good = (rate(metric, "database") for metric in (metrics.PG_DB_ROLLBACKS, metrics.PG_DB_COMMITS))
    return f"{bad} / ({bad} + {good})"


def since(metric: Metric) -> str:
    """Return the time since a timestamp of each server, in seconds."""
    return f"time() - {highest(metric)}"


def top_statements(value: str) -> str:
    """Return `value` of the ten statements that take most time, with their text."""
    top = f"topk(10, {rate(metrics.PG_STATEMENT_SECONDS, 'database, statement')})"
    text = f"max by ({STATEMENT}, query) ({of(metrics.PG_STATEMENT_INFO)})"
    return f"({value} and {top}) * on ({STATEMENT}) group_left (query) {text}"


def statement_time() -> str:
    """Return the seconds a second that the top statements run."""
    return top_statements(rate(metrics.PG_STATEMENT_SECONDS, "database, statement"))


def statement_calls() -> str:
    """Return the calls a second of the top statements."""
    return top_statements(rate(metrics.PG_STATEMENT_CALLS, "database, statement"))


def statement_mean() -> str:
    """Return the mean seconds a call of the top statements."""
    seconds, calls = (
        rate(metric, "database, statement")
        for metric in (metrics.PG_STATEMENT_SECONDS, metrics.PG_STATEMENT_CALLS)
    )
    return top_statements(f"({seconds} / {calls})")


def plans() -> str:
    """Return the cost of the plans of the ten statements that cost most, with their nodes and text."""
    cost = highest(metrics.PG_PLAN_COST, by="database, statement")
    nodes = f"max by ({STATEMENT}, shape) ({of(metrics.PG_PLAN_INFO)})"
    text = f"max by ({STATEMENT}, query) ({of(metrics.PG_STATEMENT_INFO)})"
    return (
        f"topk(10, {cost}) * on ({STATEMENT}) group_left (shape) {nodes}"
        f" * on ({STATEMENT}) group_left (query) {text}"
    )


def plan_age() -> str:
    """Return how long ago the plans were told, in seconds."""
    return f"time() - {highest(metrics.PG_PLAN_TIME, by='database, statement')}"


def dead_share() -> str:
    """Return the share of dead rows of tables, of those that have ten thousand of them or more."""
    dead, live = (
        highest(metric, by="database, schema, table")
        for metric in (metrics.PG_TABLE_DEAD, metrics.PG_TABLE_LIVE)
    )
    return f"topk(10, {dead} / ({dead} + {live}) and {dead} >= 10000)"
