"""The checks of the shop's data: on a real database, as the role that may read what they need and no more."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from specter_core.clock import SystemClock
from specter_demo.faults import integrity_violation
from specter_demo.faults.control import Control
from specter_demo.settings import CHECKOUT, Settings
from specter_demo.shop.database import connect
from specter_demo.shop.schema import LATER, TABLES
from specter_demo.shop.watching import CHECKS_ROLE, let_check
from specter_exporters.sql.asking import Sessions
from specter_exporters.sql.config import load
from specter_exporters.sql.dsn import Dsn, Secret, parse_url
from specter_exporters.sql.model import Database, IntegrityCheck, Plan
from specter_exporters.sql.outcomes import BusinessOutcome, IntegrityOutcome, SyncOutcome
from specter_exporters.sql.running import Checker
from tests.servers.postgres import PostgresServer, running_postgres

pytestmark = pytest.mark.integration
PASSWORD = "first-pass-word"
ORDERS = """
insert into products values (1, 'granite chair 1', 'heavy', 1500, 1);
insert into customers values (1, 'someone@shop.example', '', '');
insert into checkins values (1, current_date, 3);
insert into orders (customer_id, status, amount_cents, payment_reference) values
    (1, 'paid', 3000, 'ch_1'), (null, 'paid', 1500, 'ch_2'), (1, 'payment_failed', 1500, null);
insert into order_lines values (1, 1, 2, 1500), (2, 1, 1, 1500), (3, 1, 1, 1500);
insert into settlements values (1, 'ch_1', now())
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres({"log_statement": "all"}) as server:
        yield server


@pytest.fixture(scope="module")
def settings(postgres: PostgresServer) -> Settings:
    settings = Settings(database_dsn=postgres.dsn, database_password_file=postgres.password_file)
    with connect(settings) as owner:
        for statement in (TABLES, LATER, ORDERS):
            owner.execute(statement.encode())
        let_check(owner, "an-earlier-pass-word")
        let_check(owner, PASSWORD)
    return settings


@pytest.fixture
def plan(postgres: PostgresServer, settings: Settings, tmp_path: Path) -> Plan:
    """The checks of the demo, at the address of the server."""
    (tmp_path / "password").write_text(PASSWORD)
    url = parse_url(f"postgresql://{CHECKS_ROLE}@{postgres.host}:{postgres.port}/{postgres.database}", "dsn")
    shop = Database("shop", Dsn(url, None, Secret("password", tmp_path / "password")))
    return replace(load(CHECKOUT / "stack" / "exporters" / "sql.yml"), databases=(shop,))


def violations(plan: Plan) -> dict[str, float]:
    checker = Checker(plan, Sessions(plan.databases).open)
    found = {check.name: checker.run(check) for check in plan.checks if isinstance(check, IntegrityCheck)}
    return {name: each.violations for name, each in found.items() if isinstance(each, IntegrityOutcome)}


def test_every_check_runs_as_the_role_and_finds_the_shop_s_own_data_whole(plan: Plan) -> None:
    checker = Checker(plan, Sessions(plan.databases).open)
    assert set(violations(plan).values()) == {0}
    found = {check.name: checker.run(check) for check in plan.checks}
    assert {name: each.values for name, each in found.items() if isinstance(each, BusinessOutcome)} == {
        "orders_of_the_last_hour": {"paid": 2, "payment_failed": 1},
        "revenue_of_the_last_hour_eur": {"": 45},
        "registered_customers": {"": 1},
        "customers_checked_in_today": {"": 1},
    }
    assert found["settlements_follow_payments"] == SyncOutcome(None, 0.0, None)


def test_the_role_reads_no_address_of_a_customer_and_writes_nothing(
    postgres: PostgresServer, settings: Settings
) -> None:
    dsn = f"host={postgres.host} port={postgres.port} dbname={postgres.database} user={CHECKS_ROLE}"
    with psycopg.connect(dsn, password=PASSWORD, autocommit=True) as checks:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            checks.execute("select email from customers")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            checks.execute("delete from orders")
        checks.execute("set default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            checks.execute("delete from orders")
    log = (postgres.folder / "postgres.log").read_text("utf-8")
    assert f'alter role "{CHECKS_ROLE}"' in log
    assert "pass-word" not in log


def test_the_fault_is_found_by_the_checks_and_its_end_leaves_the_orders_as_they_were(
    plan: Plan, settings: Settings
) -> None:
    control = Control(settings, SystemClock())
    before = control.sql("select * from orders order by 1")
    assert integrity_violation.inject(control) == (
        "imported 20 paid orders without a payment, and 5 payments that two orders name each"
    )
    assert violations(plan) == {
        "paid_without_payment": 20,
        "payment_of_two_orders": 5,
        "total_is_not_that_of_its_lines": 30,
        "orders_that_stay_pending": 0,
        "paid_orders_that_are_not_settled": 0,
    }
    integrity_violation.clear(control)
    assert set(violations(plan).values()) == {0}
    assert control.sql("select * from orders order by 1") == before
    assert not integrity_violation.active(control)
