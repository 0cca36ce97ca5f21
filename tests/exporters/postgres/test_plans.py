"""Plans of slow statements: told without running them, told again when they change, and why they are not."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from specter_core import metrics
from specter_core.clock import SystemClock
from specter_exporters.postgres import plans
from specter_exporters.postgres.collectors.plans import Plans
from specter_exporters.postgres.model import Server
from specter_exporters.postgres.remembered import PlanFile
from specter_exporters.postgres.session import Session
from tests.exporters.postgres.asking import Scrape, asking, connect, failing, found
from tests.servers.postgres import PostgresServer, running_postgres

Connection = psycopg.Connection[tuple[Any, ...]]


def node(kind: str, *below: Any, **more: Any) -> dict[str, Any]:
    return {"Node Type": kind, "Total Cost": 1.0, **more, **({"Plans": list(below)} if below else {})}


def scan(table: str, **more: Any) -> dict[str, Any]:
    return node("Seq Scan", **{"Schema": "public", "Relation Name": table, **more})


def read(root: dict[str, Any]) -> plans.Plan:
    return plans.read([{"Plan": root}])


def test_a_plan_is_the_same_whatever_it_costs_and_another_when_it_works_in_another_way() -> None:
    plan = read(node("Limit", scan("orders", **{"Total Cost": 9.5, "Plan Rows": 7}), **{"Total Cost": 12.5}))
    assert (plan.shape, plan.cost) == ("Limit (Seq Scan on orders)", 12.5)
    assert plan.scanned == (("public", "orders"),)
    assert read(node("Limit", scan("orders", Filter="(id = $1)"))).digest == plan.digest
    assert read(node("Limit", scan("customers"))).digest != plan.digest
    index = {"Index Name": "orders_pkey", "Relation Name": "orders", "Schema": "public"}
    assert read(node("Limit", node("Index Scan", **index))).digest != plan.digest
    assert read(node("Limit", node("Index Scan", **index))).scanned == ()


def test_another_partition_is_no_other_plan() -> None:
    before = read(node("Append", scan("visits_2024_01"), scan("visits_2024_02")))
    after = read(node("Append", scan("visits_2024_01"), scan("visits_2024_02"), scan("visits_2024_03")))
    assert after.digest == before.digest


def test_a_long_shape_is_cut() -> None:
    assert len(read(node("Append", *(scan(f"table_{number}") for number in range(99)))).shape) == 200


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("select 1", True),
        ("  /* why */ -- this\n ( SELECT 1) ", True),
        ("with a as (select 1) select * from a", True),
        ("insert into t values ($1)", True),
        ("create table t (id int)", False),
        ("explain analyze select 1", False),
        ("selection", False),
        ("select '" + "x" * 20_000 + "'", False),
    ],
)
def test_what_has_a_plan(text: str, plan: bool) -> None:
    assert plans.explainable(text) is plan


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        with connect(server) as owner:
            for statement in (
                "CREATE EXTENSION pg_stat_statements",
                "CREATE ROLE reader LOGIN PASSWORD 'readers-password'",
                "GRANT pg_monitor TO reader",
                "CREATE TABLE products (id int PRIMARY KEY, name text, note text)",
                "CREATE TABLE secrets (id int)",
                "INSERT INTO products SELECT n, 'p' || n, repeat('x', 200) FROM generate_series(1, 60000) n",
                "CREATE INDEX by_name ON products (name)",
                "GRANT SELECT, UPDATE ON products TO reader",
                "VACUUM ANALYZE products",
            ):
                owner.execute(statement.encode())
        yield server


@pytest.fixture
def shop(postgres: PostgresServer) -> Iterator[Connection]:
    """A session that prepares nothing, so that the statements are counted by their texts."""
    with connect(postgres, prepare_threshold=None) as connection:
        connection.execute("SELECT pg_stat_statements_reset()")
        yield connection


@contextmanager
def explaining(
    postgres: PostgresServer, folder: Path, storage: Path | None = None, **more: Any
) -> Iterator[Callable[[], Scrape]]:
    """Yield a function that scrapes until every statement listed was asked about."""
    secret = folder / "password"
    secret.write_text("readers-password")
    dsn = f"host={postgres.host} port={postgres.port} dbname={postgres.database} user=reader"
    server = replace(Server("main", dsn, secret, plans=10, plan_interval=0.0), **more)
    with asking(server, storage) as scrape:

        def settled() -> Scrape:
            return [scrape() for _ in range(6)][-1]

        yield settled


def plan_of(seen: Scrape, text: str) -> tuple[str, str]:
    """Return (hash, shape) of the plan of the statement whose text begins so; labels come by their names."""
    [statement] = [key[2] for key in found(seen, "specter_pg_statement_info") if key[1].startswith(text)]
    [plan] = [key for key in found(seen, "specter_pg_plan_info") if key[3] == statement]
    return plan[1], plan[2]


def changes(seen: Scrape) -> float:
    return sum(found(seen, "specter_pg_plan_changes_total").values())


@pytest.mark.integration
def test_a_dropped_index_is_another_plan_that_reads_the_whole_table(
    postgres: PostgresServer, shop: Connection, tmp_path: Path
) -> None:
    shop.execute("SELECT id FROM products WHERE name = %s", ["p7"])
    with explaining(postgres, tmp_path, statements=50) as scrape:
        first = scrape()
        assert plan_of(first, "SELECT id")[1] == "Index Scan by_name on products"
        assert (changes(first), failing(first)) == (0, {})
        shop.execute("DROP INDEX by_name")
        shop.execute("SELECT id FROM products WHERE name = %s", ["p7"])
        try:
            after = scrape()
        finally:
            shop.execute("CREATE INDEX by_name ON products (name)")
        assert plan_of(after, "SELECT id")[1] == "Seq Scan on products"
        assert plan_of(after, "SELECT id")[0] != plan_of(first, "SELECT id")[0]
        assert changes(after) == 1
        [(labels, size)] = found(after, "specter_pg_plan_seq_scan_bytes").items()
        assert {"public", "products"} < set(labels)
        assert size >= 60_000 * 200
        assert max(found(after, "specter_pg_plan_cost").values()) > 1000


@pytest.mark.integration
def test_statements_are_never_run_and_what_cannot_be_explained_is_counted_by_reason(
    postgres: PostgresServer, shop: Connection, tmp_path: Path
) -> None:
    shop.execute("UPDATE products SET note = %s WHERE id = %s", ["changed", 1])
    shop.execute("SELECT count(*) FROM secrets")
    shop.execute("SELECT now() - interval '1 day'")
    shop.execute("UPDATE products SET note = %s WHERE id = %s", ["kept", 1])
    with explaining(postgres, tmp_path) as scrape:
        seen = scrape()
    shape = "ModifyTable on products (Index Scan products_pkey on products)"
    assert plan_of(seen, "UPDATE products")[1] == shape
    unknown = found(seen, "specter_pg_plans_unknown")
    # The table, and the function that resets the counters.
    assert unknown[("privilege",)] == 2
    assert unknown[("unsupported",)] >= 1
    assert shop.execute("SELECT note FROM products WHERE id = 1").fetchone() == ("kept",)
    assert failing(seen) == {}


@pytest.mark.integration
def test_a_locked_table_costs_its_plan_and_nothing_else(
    postgres: PostgresServer, shop: Connection, tmp_path: Path
) -> None:
    shop.execute("SELECT id FROM products WHERE name = %s", ["p7"])
    with connect(postgres, autocommit=False) as root, explaining(postgres, tmp_path) as scrape:
        root.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        seen = scrape()
        root.rollback()
    assert failing(seen) == {}
    assert found(seen, "specter_pg_plans_unknown")[("lock_timeout",)] == 1


@pytest.mark.integration
def test_a_statement_is_explained_in_a_session_that_has_statements_prepared_by_the_driver(
    postgres: PostgresServer, shop: Connection, tmp_path: Path
) -> None:
    shop.execute("SELECT id FROM products WHERE name = %s", ["p7"])
    secret = tmp_path / "password"
    secret.write_text("readers-password")
    dsn = f"host={postgres.host} port={postgres.port} dbname={postgres.database} user=reader"
    with closing(Session.open(dsn, secret, None, 10.0)) as session:
        for _ in range(10):
            session.rows("SELECT datname FROM pg_database WHERE datname = %s", ["postgres"])
        prepared = session.rows("SELECT name FROM pg_prepared_statements")
        told = list(Plans(10, 60.0, ("public",), SystemClock())(session))
    assert prepared, "the driver has prepared what was asked so often"
    shapes = [fact.labels[-1] for fact in told if fact.metric is metrics.PG_PLAN_INFO]
    assert "Index Scan by_name on products" in shapes
    # The function that resets the counters.
    unknown = {fact.labels[0]: fact.value for fact in told if fact.metric is metrics.PG_PLANS_UNKNOWN}
    assert unknown == {"privilege": 1}


@pytest.mark.integration
def test_a_plan_that_changed_while_the_exporter_was_away_is_counted(
    postgres: PostgresServer, shop: Connection, tmp_path: Path
) -> None:
    shop.execute("SELECT id FROM products WHERE name = %s", ["p7"])
    with explaining(postgres, tmp_path, tmp_path / "kept", statements=50) as scrape:
        assert changes(scrape()) == 0
    shop.execute("DROP INDEX by_name")
    try:
        for _ in range(2):
            with explaining(postgres, tmp_path, tmp_path / "kept", statements=50) as scrape:
                assert changes(scrape()) == 1
    finally:
        shop.execute("CREATE INDEX by_name ON products (name)")


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2, "plans": []}', '{"format": 1, "plans": [{}]}'])
def test_a_damaged_memory_is_said_and_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    (tmp_path / "plans").write_text(content)
    file = PlanFile(tmp_path / "plans")
    assert file.load() == {}
    assert "cannot be used, changes are counted anew" in caplog.text
    file.save({-7: ("00aa", 3)})
    assert file.load() == {-7: ("00aa", 3)}


def test_a_folder_that_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    file = PlanFile(tmp_path / "file" / "plans")
    for _ in range(2):
        file.save({})
    assert caplog.text.count("cannot be written: ") == 1


@pytest.mark.integration
def test_a_superuser_plans_nothing_since_planning_calls_functions_of_others(postgres: PostgresServer) -> None:
    dsn = f"host={postgres.host} port={postgres.port} dbname={postgres.database} user={postgres.user}"
    with asking(Server("main", dsn, postgres.password_file, plans=10, plan_interval=0.0)) as scrape:
        seen = scrape()
    assert failing(seen)["plans"] == "unsupported"
    assert found(seen, "specter_pg_plan_info") == {}
