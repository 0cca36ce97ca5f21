"""The role of the database's exporter: it sees all that the exporter asks for, and no row of the shop's."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from specter_demo.settings import Settings
from specter_demo.shop.database import connect
from specter_demo.shop.watching import EXPLAINED, ROLE, let_watch
from specter_exporters.postgres.model import Server
from tests.exporters.postgres.asking import asking, failing, found, reason
from tests.servers.postgres import PostgresServer, running_postgres

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres({"log_statement": "all"}) as server:
        yield server


def test_the_role_sees_what_the_exporter_asks_for_and_no_row(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    settings = Settings(database_dsn=postgres.dsn, database_password_file=postgres.password_file)
    password = tmp_path / "password"
    dsn = f"host={postgres.host} port={postgres.port} dbname={postgres.database} user={ROLE}"
    with connect(settings) as owner, asking(Server("shop", dsn, password)) as scrape:
        for table in ("customers", *EXPLAINED):
            owner.execute(f"create table {table} (id int generated always as identity)".encode())
        for secret in ("first-pass-word", "second-pass-word"):
            let_watch(owner, secret)
            password.write_text(secret)
        seen = scrape()
        assert (reason(seen), failing(seen)) == ([], {})
        assert set(found(seen, "specter_pg_privilege").values()) == {1}
        assert any("customers" in key for key in found(seen, "specter_pg_table_live_rows"))
        with (
            psycopg.connect(dsn, password="second-pass-word") as watcher,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            watcher.execute("select * from customers")
    log = (postgres.folder / "postgres.log").read_text("utf-8")
    assert "alter role" in log
    assert "pass-word" not in log
