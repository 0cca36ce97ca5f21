"""Sessions: how many do what, which have been left behind, and how long the longest takes."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from specter_core import metrics
from specter_exporters.postgres.model import Fact
from specter_exporters.postgres.session import Session

APPLICATIONS = 20
HIDDEN = "hidden"
# Of a session that the role may not look into, only the database is told: not even that it is a client's.
_QUERY = """
SELECT coalesce(datname, ''), state, coalesce(application_name, ''), wait_event_type,
       extract(epoch FROM clock_timestamp() - state_change)::float8,
       extract(epoch FROM clock_timestamp() - xact_start)::float8,
       extract(epoch FROM clock_timestamp() - query_start)::float8,
       pid = pg_backend_pid()
         OR application_name = current_setting('application_name') AND usename = current_user
FROM pg_stat_activity
WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datname IS NOT NULL)
"""


class Client(NamedTuple):
    """A client's session; ages in seconds."""

    database: str
    state: str | None
    application: str
    waits_for: str | None
    in_state: float | None
    transaction: float | None
    statement: float | None
    own: bool


def collector(idle_limit: float) -> Callable[[Session], Iterable[Fact]]:
    """Return the collector; sessions idle for more than `idle_limit` seconds count as leaked."""

    def collect(session: Session) -> Iterable[Fact]:
        return summed([Client(*row) for row in session.rows(_QUERY)], idle_limit)

    return collect


def summed(clients: Sequence[Client], idle_limit: float) -> Iterable[Fact]:
    """Yield what the sessions come to; those of exporters are counted and have no ages."""
    states = Counter((each.database, each.state or HIDDEN) for each in clients)
    for (database, state), count in states.items():
        yield Fact(metrics.PG_CONNECTIONS, [database, state], count)
    others = [each for each in clients if not each.own]
    active = [each for each in others if each.state == "active"]
    in_transaction = [each for each in others if (each.state or "").startswith("idle in transaction")]
    yield Fact(metrics.PG_LONGEST_IDLE_TRANSACTION, [], _longest(each.in_state for each in in_transaction))
    yield Fact(metrics.PG_LONGEST_TRANSACTION, [], _longest(each.transaction for each in others))
    yield Fact(metrics.PG_LONGEST_STATEMENT, [], _longest(each.statement for each in active))
    for kind, count in Counter(each.waits_for for each in active if each.waits_for).items():
        yield Fact(metrics.PG_WAITING, [kind], count)
    idle = [each for each in others if each.state == "idle" and (each.in_state or 0) > idle_limit]
    leaked = Counter(each.application for each in idle).most_common()
    for application, count in leaked[:APPLICATIONS]:
        yield Fact(metrics.PG_LEAKED, [application], count)
    if len(leaked) > APPLICATIONS:
        yield Fact(metrics.PG_LEAKED, ["other"], sum(count for _, count in leaked[APPLICATIONS:]))


def _longest(ages: Iterable[float | None]) -> float:
    return max((age for age in ages if age is not None), default=0.0)
