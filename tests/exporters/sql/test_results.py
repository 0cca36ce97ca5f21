"""What is exposed as time goes by: nothing that is old, nothing after a failure; changes are logged once."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from specter_exporters.sql.collector import SqlCollector
from specter_exporters.sql.dsn import Dsn, parse_url
from specter_exporters.sql.engines.engine import Table
from specter_exporters.sql.failures import CheckError
from specter_exporters.sql.model import BusinessQuery, Database, IntegrityCheck, Plan, Timing
from specter_exporters.sql.pages import Pages, as_text
from specter_exporters.sql.results import Results
from specter_exporters.sql.running import Checker
from specter_exporters.sql.schedule import run_once
from tests.exporters.serving import samples

CHECK = IntegrityCheck("orphans", "shop", "select", Timing(60.0, 10.0), sample="shown")
VALUES = BusinessQuery("orders", "shop", "select", Timing(60.0, 10.0), by="status", groups=1)
PLAN = Plan((Database("shop", Dsn(parse_url("sqlite:///shop.db", "dsn"))),), (CHECK, VALUES))


class ManualClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Shop:
    """Answers with the table or the error that it was told."""

    def __init__(self, answer: Table | Exception) -> None:
        self.answer = answer

    @contextmanager
    def opened(self, database: Database, timeout: float, most: int) -> Iterator["Shop"]:
        yield self

    def table(self, query: str, most: int) -> Table:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Run:
    """A plan whose only database is a `Shop`, and what a scrape of it gives."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.shop = Shop(Table(("id",), ()))
        self.results = Results(PLAN.checks, self.clock.time())
        self.checker = Checker(PLAN, self.shop.opened)  # type: ignore[arg-type]
        self.registry = CollectorRegistry()
        self.registry.register(SqlCollector(PLAN, self.results, self.clock))

    def run(self, answer: Table | Exception, check: IntegrityCheck | BusinessQuery = CHECK) -> None:
        self.shop.answer = answer
        run_once(check, self.checker, self.results, self.clock)

    def seen(self, name: str) -> dict[tuple[str, ...], float]:
        text = generate_latest(self.registry).decode()
        return {labels[1:]: value for (family, labels), value in samples(text).items() if family == name}

    def of_check(self, name: str) -> float | None:
        text = generate_latest(self.registry).decode()
        return samples(text).get((f"specter_sql_check_{name}", ("orphans", "shop")))


def rows(amount: int) -> Table:
    return Table(("id",), tuple((number,) for number in range(amount)))


def test_before_the_first_run_nothing_is_known_and_after_two_intervals_that_is_an_alarm() -> None:
    run = Run()
    assert [run.of_check(name) for name in ("violations", "success", "stale", "runs_total")] == [
        *(None, None, 0, 0),
    ]
    assert run.seen("specter_sql_up") == {}
    run.clock.now += 131
    assert run.of_check("stale") == 1


def test_what_was_found_is_absent_after_a_failure_and_when_it_is_old() -> None:
    run = Run()
    run.run(rows(3))
    assert [run.of_check(name) for name in ("violations", "success", "last_success_timestamp_seconds")] == [
        *(3, 1, 1000),
    ]
    run.clock.now += 60
    run.run(CheckError("timeout", "no answer", "shop"))
    assert [run.of_check(name) for name in ("violations", "success", "last_success_timestamp_seconds")] == [
        *(None, 0, 1000),
    ]
    assert run.seen("specter_sql_check_failure") == {("shop", "timeout"): 1}
    # It let the exporter in.
    assert 'specter_sql_up{database="shop"} 1.0' in generate_latest(run.registry).decode()
    run.run(rows(0))
    assert run.of_check("violations") == 0
    run.clock.now += 131
    assert (run.of_check("violations"), run.of_check("stale"), run.of_check("success")) == (None, 1, 1)
    assert run.seen("specter_sql_up") == {}


def test_groups_that_are_summed_up_are_counted_over_runs() -> None:
    run = Run()
    for _ in range(2):
        run.run(Table(("status", "n"), (("paid", 5), ("failed", 2), ("pending", 1))), VALUES)
    text = generate_latest(run.registry).decode()
    assert 'specter_sql_business_value{check="orders",database="shop",group="paid"} 5.0' in text
    assert 'specter_sql_business_value{check="orders",database="shop",group="other"} 3.0' in text
    assert 'specter_sql_business_dropped_groups_total{check="orders",database="shop"} 4.0' in text


def test_changes_are_logged_and_what_stays_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "specter_exporters.sql")
    run = Run()
    gone = CheckError("refused", "connection refused", "shop", connected=False)
    for answer in (rows(0), rows(2), rows(2), gone, gone, rows(1), rows(0)):
        run.run(answer)
    assert caplog.messages == [
        "orphans: 2 violations, such as 0, 1",
        "orphans: not known: shop: refused: connection refused",
        "orphans: is known again",
        "orphans: 1 violation, such as 0",
        "orphans: no violations any more",
    ]


def test_a_defect_of_ours_costs_its_own_check(caplog: pytest.LogCaptureFixture) -> None:
    run = Run()
    run.run(ZeroDivisionError("of ours"))
    assert run.seen("specter_sql_check_failure") == {("shop", "other"): 1}
    assert caplog.messages[0] == "orphans: the run broke off; this is a defect"


def test_the_page_says_what_state_each_check_is_in() -> None:
    run = Run()
    pages = Pages(PLAN, run.results, run.clock)
    assert [each["state"] for each in pages.described()] == ["waiting", "waiting"]
    run.run(Table(("<id>",), (("<b>",),)))
    run.run(CheckError("query", "no such table", "shop"), VALUES)
    assert as_text(pages.described()).splitlines()[1:] == [
        "orphans  shop      integrity  violated   1 violation, such as <b>",
        "orders   shop      business   not known  shop: query: no such table",
    ]
    page = pages.as_html()[1].decode()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    run.clock.now += 131
    assert [each["state"] for each in pages.described()] == ["stale", "not known"]
    assert pages.described()[0]["found"] is None
