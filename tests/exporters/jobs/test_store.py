"""What outlives the exporter, in a file and in PostgreSQL: all of a write or none, and one writer."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
import pytest

from specter_core.clock import SystemClock
from specter_exporters.jobs.book import Book, Entry
from specter_exporters.jobs.model import Event, Job
from specter_exporters.jobs.postgres_store import PostgresStore
from specter_exporters.jobs.pushed import Group, Pushed, encoded
from specter_exporters.jobs.pushing import Pushing
from specter_exporters.jobs.schedules import Cron
from specter_exporters.jobs.sqlite_store import FILE, SqliteStore
from specter_exporters.jobs.state import State
from specter_exporters.jobs.store import MOST_EVENTS, KeptEvent, KeptJob, KeptPush, Store, StoreError
from tests.exporters.serving import until
from tests.servers.postgres import PostgresServer, running_postgres

pytestmark = pytest.mark.integration

STATE = State(pending=(5.0,), running=(("a", 7.5),), succeeded=3, pings=4)
JOB = KeptJob("backup", "0e0f1ddb-61fc-4ae4-a0ba-5f8d1c9a1b2f", False, "every 900s grace 300", STATE)
Open = Callable[[], Store]


def event(number: int) -> KeptEvent:
    return KeptEvent("backup", number, 100.25 + number, "failed", "a", 3, f"output {number}")


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres(password="pass-word-of-the-store") as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Return what makes a store, of one that is empty at first."""
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "data")
    server: PostgresServer = request.getfixturevalue("postgres")
    with psycopg.connect(server.dsn, password=server.password, autocommit=True) as session:
        for table in ("specter_job", "specter_job_event", "specter_job_push", "specter_job_set_aside"):
            session.execute(f"DROP TABLE IF EXISTS {table}".encode())
    return lambda: PostgresStore(server.dsn, server.password_file)


def test_what_is_written_is_there_again_and_the_newest_takes_the_place(fresh: Open) -> None:
    store = fresh()
    assert store.open() == []
    store.write([JOB], [event(1)], [KeptPush("a", "one"), KeptPush("b", "two")])
    changed = KeptJob(JOB.name, JOB.uuid, True, "", STATE._replace(succeeded=4))
    store.write([changed], [event(number) for number in range(2, MOST_EVENTS + 3)], [KeptPush("a", None)])
    store.close()
    again = fresh()
    assert again.open() == [changed]
    numbers = [each.number for each in again.events("backup")]
    assert numbers == list(range(MOST_EVENTS + 2, 2, -1))
    assert again.events("backup")[0] == event(MOST_EVENTS + 2)
    assert again.pushes() == [KeptPush("b", "two")]
    assert again.events("another") == []
    again.tidy()
    again.close()


def test_a_job_that_is_renamed_keeps_its_url_and_two_may_change_theirs(fresh: Open) -> None:
    store = fresh()
    store.open()
    first, second = JOB, replace(JOB, name="digest", uuid="another")
    store.write([first, second], [], [])
    changed = [replace(first, uuid=second.uuid), replace(second, uuid=first.uuid)]
    store.write(changed, [], [])
    store.close()
    again = fresh()
    assert sorted(again.open(), key=lambda job: job.name) == changed
    renamed = replace(first, name="backups", uuid=changed[0].uuid)
    again.write([renamed], [], [])
    again.close()
    last = fresh()
    assert sorted(last.open(), key=lambda job: job.name) == [renamed, changed[1]]
    last.close()


def execute(store: Store, query: str, *values: object) -> list[tuple[object, ...]]:
    """Run a query in the database of a store that is open; it is written as for SQLite."""
    if isinstance(store, SqliteStore):
        return store._connection.execute(query, values).fetchall()  # type: ignore[union-attr]
    found = store._connection.execute(  # type: ignore[attr-defined]
        re.sub(r"\bjob\b", "specter_job", query)
        .replace("job_set", "specter_job_set")
        .replace("?", "%s")
        .encode(),
        values,
    )
    return found.fetchall() if found.description else []


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("{not json", "key must be a string"),
        ("", "EOF"),
        ("[1, 2]", "is no state of a job"),
        ("{}", "is no state of a job"),
        ('{"expected":null,"missed":"three"}', "missed: Input should be a valid integer"),
        ('{"expected":null,"pending":7}', "pending: Input should be a valid array"),
        ('{"expected":null,"running":[["a"]]}', "running.0.1: Field required"),
        ('{"expected":NaN}', "expected: Input should be a finite number"),
        ("[" * 5000, "recursion limit"),
    ],
)
def test_a_state_that_cannot_be_read_is_set_aside_and_the_others_go_on(
    fresh: Open, broken: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = fresh()
    jobs = [Job("backup", schedule=Cron("* * * * *", ZoneInfo("UTC"))), Job("other")]
    book = Book(jobs, store, SystemClock())
    book.open()
    for name in ("backup", "other"):
        for _ in range(3):
            book.tell(entry(book, name), Event("success", 0.0))
    uuid = entry(book, "backup").uuid
    execute(store, "UPDATE job SET state = ? WHERE name = 'backup'", broken)
    book._store.close()  # as a kill does
    for _ in range(2):  # what is set aside once is not at the next start
        store = fresh()
        book = Book(jobs, store, SystemClock())
        book.open()
        assert entry(book, "other").state.succeeded == 3
        book.tell(entry(book, "backup"), Event("failed", 0.0))
        state = entry(book, "backup").state
        assert execute(store, "SELECT name, state FROM job_set_aside") == [("backup", broken)]
        book.close()
    assert (state.succeeded, state.failed, entry(book, "backup").uuid) == (0, 2, uuid)
    assert state.expected is not None, "the schedule goes on"
    assert [each.kind for each in store_events(fresh)] == ["failed"] * 2 + ["success"] * 3
    [said] = [each.getMessage() for each in caplog.records if "set_aside" in each.getMessage()]
    assert "the state of job backup cannot be read" in said
    assert why in said


@pytest.mark.parametrize("name", ['nightly"} 7', "", "Nightly", "a\nb"])
def test_a_job_whose_name_is_damaged_keeps_nobody_from_being_watched(
    fresh: Open, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = fresh()
    store.open()
    other = replace(JOB, name="other", uuid="another", made=True)
    store.write([JOB, other], [], [])
    execute(store, "UPDATE job SET name = ? WHERE name = 'other'", name)
    store.close()
    again = fresh()
    assert again.open() == [JOB]
    assert execute(again, "SELECT count(*) FROM job") == [(2,)]
    assert "a job whose name is damaged is left in the store" in caplog.text
    again.close()


def test_a_state_that_can_be_neither_read_nor_set_aside_ends_the_start_and_stays(fresh: Open) -> None:
    store = fresh()
    store.open()
    store.write([JOB], [], [])
    execute(store, "UPDATE job SET state = ''")
    execute(store, "CREATE VIEW job_set_aside AS SELECT 'x' AS name, 'x' AS schedule, 'x' AS state")
    store.close()
    again = fresh()
    with pytest.raises(StoreError, match=r"the state of job backup cannot be read .* delete the job's row"):
        again.open()
    assert execute(again, "SELECT state FROM job") == [("",)]
    execute(again, "DROP VIEW job_set_aside")
    again.close()


def entry(book: Book, name: str) -> Entry:
    found = book.by_name(name)
    assert found is not None
    return found


def store_events(fresh: Open) -> list[KeptEvent]:
    store = fresh()
    store.open()
    found = store.events("backup")
    store.close()
    return found


def test_a_text_that_a_disk_has_damaged_is_set_aside_byte_for_byte(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.open()
    store.write([JOB, KeptJob("other", "b", False, "", STATE)], [], [])
    execute(store, "UPDATE job SET state = CAST(x'7b22ff' AS TEXT) WHERE name = 'backup'")
    store.close()
    again = SqliteStore(tmp_path)
    assert again.open() == [replace(JOB, state=State()), KeptJob("other", "b", False, "", STATE)]
    assert execute(again, "SELECT CAST(state AS BLOB) FROM job_set_aside") == [(b'{"\xff',)]
    again.close()


def test_a_push_that_cannot_be_read_is_left_until_it_is_pushed_anew(
    fresh: Open, caplog: pytest.LogCaptureFixture
) -> None:
    store = fresh()
    store.open()
    good = encoded(Group("b", (), {"x": Pushed("gauge", "", {("x", ()): 1.0})}, 5.0))
    store.write([], [], [KeptPush("a", '["a",[],{"x":["gauge"]},1,2]'), KeptPush("b", good)])
    store.close()
    book = Book([], fresh(), SystemClock())
    book.open()
    pushing = Pushing(book, None, SystemClock())
    pushing.open()
    samples = [sample for family in pushing.collect() for sample in family.samples]
    assert [(each.labels, each.value) for each in samples if each.name == "x"] == [({"job_name": "b"}, 1.0)]
    assert "a push to a cannot be read" in caplog.text
    assert [each.key for each in book.pushes()] == ["a", "b"]
    book.close()


def test_a_write_that_fails_keeps_nothing(fresh: Open) -> None:
    store = fresh()
    store.open()
    other = KeptJob("other", JOB.uuid, False, "", State())  # the same UUID
    if isinstance(store, SqliteStore):  # which would replace the job that has it
        other = KeptJob("other", None, False, "", State())  # type: ignore[arg-type]
    with pytest.raises(StoreError):
        store.write([JOB, other], [event(1)], [])
    store.write([JOB], [], [])
    assert store.events("backup") == []
    store.close()


def test_two_exporters_do_not_share_a_store(fresh: Open) -> None:
    first, second = fresh(), fresh()
    first.open()
    with pytest.raises(StoreError, match="is used by another exporter"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_the_next_ping_but_one_after_a_connection_is_cut_is_kept(
    postgres: PostgresServer, fresh: Open
) -> None:
    store = fresh()
    book = Book([Job("backup")], store, SystemClock())
    book.open()
    entry = book.by_name("backup")
    assert entry is not None
    book.tell(entry, Event("success", 0.0))
    if isinstance(store, PostgresStore):
        with psycopg.connect(postgres.dsn, password=postgres.password, autocommit=True) as session:
            ours = "FROM pg_stat_activity WHERE application_name = 'specter-jobs'"
            session.execute(f"SELECT pg_terminate_backend(pid) {ours}".encode())
            until(lambda: not session.execute(f"SELECT {ours}".encode()).fetchall(), "the end")
    else:
        store._connection.close()  # type: ignore[attr-defined]
    with pytest.raises(StoreError) as caught:
        book.tell(entry, Event("success", 0.0))
    assert "pass-word" not in str(caught.value)
    up = [book.counts.up]
    book.tell(entry, Event("failed", 0.0))
    assert [*up, book.counts.up] == [False, True]
    [now] = book.entries()
    assert (now.state.succeeded, now.state.failed) == (1, 1)
    book.close()


def test_a_file_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(StoreError, match="is of version 7, this exporter knows 1"):
        SqliteStore(tmp_path).open()
    connection.close()


def test_a_full_disk_is_said_and_ends(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.open()
    store._connection.execute("PRAGMA max_page_count = 12")  # type: ignore[union-attr]
    with pytest.raises(StoreError, match="full"):
        store.write([], [KeptEvent("backup", n, 0.0, "log", "", None, "x" * 9000) for n in range(50)], [])
    assert store.events("backup") == []
    store.write([JOB], [], [])
    store.close()
