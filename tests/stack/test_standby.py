"""A real standby of the stack's PostgreSQL: it follows, is copied anew at each start, and leaves nothing."""

import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from specter_stack.errors import StackError
from specter_stack.launcher import running_stack
from specter_stack.layout import Layout
from specter_stack.ports import choose_ports
from specter_stack.postgres import SUPERUSER, cluster_folders, postgres_service, server_account
from specter_stack.service import Service
from specter_stack.standby import NAME, SLOT, copy_primary, standby_folder, standby_service
from tests.exporters.serving import until

pytestmark = pytest.mark.integration


@pytest.fixture
def layout() -> Iterator[Layout]:
    """A state folder that every account can walk to."""
    folder = Path(tempfile.mkdtemp(prefix="specter-stack-"))
    folder.chmod(0o755)
    try:
        yield Layout(folder / "state")
    finally:
        shutil.rmtree(folder)


def test_a_standby_follows_and_a_second_start_begins_with_a_new_one(layout: Layout) -> None:
    password_file = layout.secrets / "postgres-password"
    ports = choose_ports({"postgres": 25432, NAME: 25433})

    def build() -> tuple[Service, ...]:
        return (
            postgres_service(layout, ports["postgres"], password_file),
            standby_service(layout, ports[NAME]),
        )

    def ask(name: str, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(
            host="127.0.0.1",
            port=ports[name],
            user=SUPERUSER,
            dbname="postgres",
            password=password_file.read_text(encoding="utf-8"),
            autocommit=True,
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def replicated(table: str) -> bool:
        return ask(NAME, f"SELECT to_regclass('{table}') IS NOT NULL") == [(True,)]

    for start in (1, 2):
        with running_stack(layout, build, print) as stack:
            stack.start("postgres")
            copy_primary(layout, ports["postgres"], password_file)
            stack.start(NAME)
            ask("postgres", f"CREATE TABLE written_{start} AS SELECT 42 AS answer")
            until(functools.partial(replicated, f"written_{start}"), "the table on the standby")
            assert ask("postgres", "SELECT slot_name, active FROM pg_replication_slots") == [(SLOT, True)]
            assert ask(NAME, "SELECT pg_is_in_recovery(), pg_is_wal_replay_paused()") == [(True, False)]
            # The second start finds one that could not follow any more.
            ask(NAME, "SELECT pg_wal_replay_pause()")
            ask(NAME, "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'")
    [folder] = cluster_folders(layout)
    assert standby_folder(layout, server_account()).parent == folder


def test_a_primary_that_is_away_is_quoted(layout: Layout) -> None:
    layout.create()
    password_file = layout.secrets / "postgres-password"
    password_file.write_text("s3cret", encoding="utf-8")
    port = choose_ports({"postgres": 25434})["postgres"]
    with pytest.raises(StackError, match=r"psql failed: .*Connection refused"):
        copy_primary(layout, port, password_file)
