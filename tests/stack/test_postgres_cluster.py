"""A real PostgreSQL cluster of the stack: created once, run as the right account, behind its password."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from specter_stack import postgres
from specter_stack.errors import StackError
from specter_stack.launcher import running_stack
from specter_stack.layout import Layout
from specter_stack.ports import choose_ports
from specter_stack.postgres import (
    SUPERUSER,
    cluster_folders,
    create_cluster,
    data_folder,
    postgres_service,
    server_account,
)
from specter_stack.service import Service

pytestmark = pytest.mark.integration
PASSWORD = "postgres-password"


@pytest.fixture
def reachable() -> Iterator[Layout]:
    """A state folder that every account can walk to."""
    folder = Path(tempfile.mkdtemp(prefix="specter-stack-"))
    folder.chmod(0o755)
    try:
        yield Layout(folder / "state")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def spare(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stands for /var/tmp: everybody may write there, and remove only what is his."""
    folder = Path(tempfile.mkdtemp(prefix="specter-spare-"))
    folder.chmod(0o1777)
    monkeypatch.setattr(postgres, "SPARE_FOLDER", folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def connect(port: int, password: str) -> "psycopg.Connection[tuple[object, ...]]":
    return psycopg.connect(
        host="127.0.0.1", port=port, user=SUPERUSER, dbname="postgres", password=password, autocommit=True
    )


def expected_account() -> str:
    return "postgres" if os.geteuid() == 0 else psutil.Process().username()


def start_and_use(layout: Layout, statement: str) -> tuple[object, ...] | None:
    """Run the cluster of `layout`, run `statement`, and check who runs it and who may log in."""
    port = choose_ports({"postgres": 25432})["postgres"]

    def build() -> tuple[Service, ...]:
        return (postgres_service(layout, port, layout.secrets / PASSWORD),)

    with running_stack(layout, build, print) as stack:
        stack.start("postgres")
        assert psutil.Process(stack.pid("postgres")).username() == expected_account()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(port, "wrong")
        with connect(port, (layout.secrets / PASSWORD).read_text()) as connection:
            cursor = connection.execute(statement)
            row = cursor.fetchone() if cursor.description else None
    return row


def test_a_cluster_is_created_once_and_keeps_its_data(reachable: Layout) -> None:
    start_and_use(reachable, "CREATE TABLE kept AS SELECT 42 AS answer")
    data = reachable.state / "postgres" / "data"
    created = (data / "PG_VERSION").stat().st_mtime_ns
    assert start_and_use(reachable, "SELECT answer FROM kept") == (42,)
    assert (data / "PG_VERSION").stat().st_mtime_ns == created
    assert data.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in data.parent.iterdir()] == ["data"]  # the password's copy is gone


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server another account")
def test_below_a_private_folder_the_cluster_goes_to_the_spare_one(tmp_path: Path, spare: Path) -> None:
    private = tmp_path / "root"
    private.mkdir(mode=0o700)
    layout = Layout(private / "state")
    start_and_use(layout, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert start_and_use(layout, "SELECT answer FROM kept") == (42,)
    (folder,) = spare.iterdir()
    assert folder.name.startswith("specter-postgres-")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert cluster_folders(layout) == [folder]
    assert not (layout.state / "postgres").exists()


def test_an_initialisation_that_was_cut_short_is_begun_again(reachable: Layout) -> None:
    layout, account = reachable, server_account()
    layout.create()
    (layout.secrets / PASSWORD).write_text("s3cret")
    data = data_folder(layout, account)
    (data.parent / "unfinished").mkdir(parents=True)
    (data.parent / "unfinished" / "PG_VERSION").write_text("15\n")
    assert create_cluster(data, account, layout.secrets / PASSWORD) is True
    assert (data / "global" / "pg_control").is_file()
    assert not (data.parent / "unfinished").exists()
    assert create_cluster(data, account, layout.secrets / PASSWORD) is False


def test_a_failing_initdb_is_quoted_and_leaves_no_password(reachable: Layout) -> None:
    layout, account = reachable, server_account()
    layout.create()
    (layout.secrets / PASSWORD).write_text("")  # initdb refuses an empty password
    data = data_folder(layout, account)
    with pytest.raises(StackError, match=f"initdb failed in {data.parent}: .*password file"):
        create_cluster(data, account, layout.secrets / PASSWORD)
    assert not (data.parent / "password").exists()
    assert not data.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets other people's folders in the spare one")
@pytest.mark.parametrize("kind", ["folder", "link", "file"])
def test_somebody_elses_spare_folder_is_not_used_and_not_changed(
    tmp_path: Path, spare: Path, kind: str
) -> None:
    private = tmp_path / "root"
    private.mkdir(mode=0o700)
    layout = Layout(private / "state")
    layout.create()
    (layout.secrets / PASSWORD).write_text("s3cret")
    account = server_account()
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    folder = data_folder(layout, account).parent
    if kind == "folder":
        folder.mkdir(mode=0o755)
        os.chown(folder, 12345, 12345)
    elif kind == "link":
        folder.symlink_to(victim)
    else:
        folder.write_text("")
    with pytest.raises(StackError, match=f"{folder} belongs to somebody else; move it away, or use"):
        postgres_service(layout, 1, layout.secrets / PASSWORD)
    assert (victim.stat().st_uid, victim.stat().st_mode & 0o777) == (0, 0o755)
    assert list(victim.iterdir()) == []


def test_root_without_the_account_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "ACCOUNT", "no-such-account")
    with pytest.raises(
        StackError, match="there is no account `no-such-account`; install Debian's postgresql"
    ):
        server_account()


def test_an_ordinary_user_runs_the_server_in_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert server_account() is None
    assert data_folder(Layout(tmp_path / "state"), None) == tmp_path / "state" / "postgres" / "data"
