"""Backups: what files and queries say, and that a file system that hangs costs this collector alone."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from specter_exporters.postgres.collectors import backups
from specter_exporters.postgres.collectors.backups import Newest, looked_at
from specter_exporters.postgres.model import Backup, Server
from tests.exporters.postgres.asking import asking, connect, failing, found
from tests.servers.postgres import PostgresServer, running_postgres

NOW = 1_700_000_000.0


def written(path: Path, size: int, age: float, now: float = NOW) -> Path:
    path.write_bytes(b"x" * size)
    os.utime(path, (now - age, now - age))
    return path


def test_the_newest_whole_file_is_the_backup(tmp_path: Path) -> None:
    written(tmp_path / "shop-1.dump", 100, 90_000)
    written(tmp_path / "shop-2.dump", 90, 3_600)
    written(tmp_path / "shop-3.dump", 5, 10)
    written(tmp_path / "other.dump", 7, 100)
    marker = written(tmp_path / "verified", 0, 7_200)
    newest = looked_at(str(tmp_path / "shop-*.dump"), marker, NOW)
    assert newest == Newest(2, NOW - 3_600, 90.0, NOW - 7_200)


def test_what_is_not_there_is_none_and_a_folder_that_is_not_is_an_error(tmp_path: Path) -> None:
    assert looked_at(str(tmp_path / "shop-*.dump"), tmp_path / "verified", NOW) == Newest(0)
    with pytest.raises(FileNotFoundError):
        looked_at(str(tmp_path / "none" / "*.dump"), None, NOW)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        with connect(server) as owner:
            owner.execute("CREATE EXTENSION pg_stat_statements")
            owner.execute("CREATE TABLE public.dumps (at timestamptz, bytes bigint, verified timestamptz)")
        yield server


@pytest.fixture
def dumps(postgres: PostgresServer) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
    with connect(postgres) as owner:
        yield owner
        owner.execute("TRUNCATE dumps")


QUERY = "SELECT at, bytes, verified FROM public.dumps ORDER BY at DESC"


def told(postgres: PostgresServer, *kinds: Backup) -> Server:
    return replace(Server("main", postgres.dsn, postgres.password_file), backups=kinds)


@pytest.mark.integration
def test_files_and_a_query_tell_age_size_and_the_last_verification(
    postgres: PostgresServer, dumps: "psycopg.Connection[tuple[Any, ...]]", tmp_path: Path
) -> None:
    nightly = written(tmp_path / "shop.dump", 1234, 3_600)
    kinds = (
        Backup("nightly", files=str(tmp_path / "*.dump"), verified_file=tmp_path / "none", verifies=True),
        Backup("base", query=QUERY, verifies=True),
        Backup("empty", query="SELECT now() WHERE false"),
    )
    dumps.execute("INSERT INTO dumps VALUES (to_timestamp(1000), 77, NULL), (to_timestamp(2000), 88, NULL)")
    with asking(told(postgres, *kinds)) as scrape:
        seen = scrape()
        assert failing(seen) == {}
        assert found(seen, "specter_pg_backups") == {("nightly",): 1, ("base",): 2, ("empty",): 0}
        assert found(seen, "specter_pg_backup_timestamp_seconds") == {
            ("nightly",): nightly.stat().st_mtime,
            ("base",): 2000,
        }
        assert found(seen, "specter_pg_backup_size_bytes") == {("nightly",): 1234, ("base",): 88}
        assert found(seen, "specter_pg_backup_verified") == {("nightly",): 0, ("base",): 0}
        assert found(seen, "specter_pg_backup_verified_timestamp_seconds") == {}
        dumps.execute("UPDATE dumps SET verified = to_timestamp(3000)")
        seen = scrape()
    assert found(seen, "specter_pg_backup_verified")[("base",)] == 1
    assert found(seen, "specter_pg_backup_verified_timestamp_seconds") == {("base",): 3000}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Backup("b", query="SELECT 'yesterday'"), "other"),
        (Backup("b", query="SELECT 1, 2, 3, 4"), "other"),
        (Backup("b", query="SELECT * FROM public.none"), "unsupported"),
        (Backup("b", query="DELETE FROM public.dumps"), "other"),
        (Backup("b", query="SELECT pg_sleep(30)"), "timeout"),
        (Backup("b", files="/nonexistent/folder/*.dump"), "other"),
    ],
)
def test_what_is_no_backup_fails_this_collector_alone(
    postgres: PostgresServer, kind: Backup, reason: str
) -> None:
    with asking(told(postgres, kind)) as scrape:
        seen = scrape()
    assert failing(seen) == {"backups": reason}
    assert found(seen, "specter_pg_up") == {(): 1}
    assert found(seen, "specter_pg_backups") == {}


@pytest.mark.integration
def test_a_file_system_that_hangs_is_waited_for_once(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr(backups, "FILES_WITHIN", 0.1)
    monkeypatch.setattr(backups, "looked_at", lambda *_: answers.wait(20) and Newest(1, NOW, 1.0))
    with asking(told(postgres, Backup("b", files=str(tmp_path / "*")))) as scrape:
        assert failing(scrape()) == {"backups": "timeout"}
        assert failing(scrape()) == {"backups": "timeout"}
        [looking] = [each for each in threading.enumerate() if each.name == backups.THREAD]
        answers.set()
        looking.join(10)
        assert failing(scrape()) == {}
