"""Sessions are summed by what they do."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_exporters.postgres.collectors.activity import APPLICATIONS, Client, summed


def values(clients: list[Client], metric: Metric, idle_limit: float = 600.0) -> dict[tuple[str, ...], float]:
    return {tuple(fact.labels): fact.value for fact in summed(clients, idle_limit) if fact.metric is metric}


def client(
    state: str | None, in_state: float = 1.0, application: str = "shop", *, own: bool = False
) -> Client:
    return Client("shop", state, application, None, in_state, in_state + 1, in_state + 0.5, own)


def test_sessions_that_may_not_be_looked_into_are_hidden_and_not_idle() -> None:
    clients = [client("active"), client(None), client(None)]
    assert values(clients, metrics.PG_CONNECTIONS) == {("shop", "active"): 1, ("shop", "hidden"): 2}


def test_the_exporters_own_session_is_counted_and_is_never_the_longest() -> None:
    clients = [client("active", 100.0, own=True), client("idle in transaction", 7.0)]
    assert values(clients, metrics.PG_CONNECTIONS)[("shop", "active")] == 1
    assert values(clients, metrics.PG_LONGEST_TRANSACTION) == {(): 8.0}
    assert values(clients, metrics.PG_LONGEST_STATEMENT) == {(): 0.0}
    assert values(clients, metrics.PG_LONGEST_IDLE_TRANSACTION) == {(): 7.0}


def test_sessions_idle_beyond_the_limit_are_leaks_by_application() -> None:
    clients = [client("idle", 599), client("idle", 601), client("idle", 700), client("idle", 900, "cron")]
    clients.append(client("active", 5000))
    assert values(clients, metrics.PG_LEAKED) == {("shop",): 2, ("cron",): 1}


def test_applications_beyond_the_limit_are_other() -> None:
    clients = [client("idle", 700, f"app-{number:02}") for number in range(APPLICATIONS + 5)]
    leaked = values(clients, metrics.PG_LEAKED)
    assert len(leaked) == APPLICATIONS + 1
    assert leaked[("other",)] == 5


def test_without_sessions_nothing_is_long() -> None:
    assert values([], metrics.PG_LONGEST_TRANSACTION) == {(): 0.0}
    assert values([], metrics.PG_CONNECTIONS) == {}
