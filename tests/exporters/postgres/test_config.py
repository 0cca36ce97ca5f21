"""What the file with the servers may say, and what is refused."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from specter_core.config import ConfigError
from specter_exporters.deadlines import answer_within
from specter_exporters.postgres.command import postgres
from specter_exporters.postgres.config import load

ONE = "servers: [{name: main, dsn: 'host=127.0.0.1 user=watcher', password_file: secret}]\n"


def refused(folder: Path, text: str) -> str:
    (folder / "postgres.yml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(folder / "postgres.yml")
    return str(caught.value).replace(f"{folder}/", "")


def test_the_least_and_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "postgres.yml").write_text(ONE)
    (tmp_path / "secret").write_text("s3cret\n")
    [server] = load(tmp_path / "postgres.yml").servers
    assert (server.name, server.databases, server.idle_limit) == ("main", (), 600)
    assert (server.statements, server.tables) == (20, 100)
    assert server.password_file == tmp_path / "secret"
    assert "secret" not in repr(server)


@pytest.mark.parametrize(
    "dsn",
    [
        "host=a password=hunter2",
        "postgresql://watcher:hunter2@127.0.0.1/shop",
        "postgresql://a?password=hunter2",
    ],
)
def test_a_password_in_the_connection_string_is_refused_and_not_repeated(tmp_path: Path, dsn: str) -> None:
    said = refused(tmp_path, f"servers: [{{name: main, dsn: '{dsn}'}}]\n")
    assert "holds a password; write it to a file and name that as password_file" in said
    assert "hunter2" not in said


def test_what_is_no_connection_string_is_not_repeated(tmp_path: Path) -> None:
    said = refused(tmp_path, "servers: [{name: main, dsn: 'host=a passwort=hunter2'}]\n")
    assert "is not a connection string" in said
    assert "hunter2" not in said


def test_every_error_is_named(tmp_path: Path) -> None:
    said = refused(
        tmp_path, ONE.replace("]", ", {name: 'a b', dsn: 'host=a'}, {name: b, dsn: 'host=b', tables: -1}]")
    )
    assert "servers[1].name: expected letters, digits" in said
    assert "servers[2].tables" in said
    assert "main appears twice" in refused(tmp_path, ONE.replace("]", ", {name: main, dsn: 'host=a'}]"))
    assert refused(tmp_path, ONE) == "postgres.yml:1: servers[0].password_file: secret is not a file"


def test_modules_and_pgbouncers_have_their_own_rules(tmp_path: Path) -> None:
    module = "modules: {m: {dsn: 'user=watcher', targets: ['10.0.0.*:5432'], plans: 5}}\n"
    pool = "pgbouncers: [{name: pool, dsn: 'host=a port=6432 user=stats', password_file: secret}]\n"
    (tmp_path / "postgres.yml").write_text(module + pool)
    (tmp_path / "secret").write_text("s3cret\n")
    watched = load(tmp_path / "postgres.yml")
    assert watched.modules["m"].targets == ("10.0.0.*:5432",)
    assert (watched.modules["m"].server.plans, watched.servers) == (5, ())
    assert watched.pgbouncers[0].password_file == tmp_path / "secret"
    assert "they come with the request" in refused(tmp_path, module.replace("user=", "host=a user="))
    assert "it is that of the console" in refused(tmp_path, pool.replace("user=", "dbname=a user="))
    assert "holds a password" in refused(tmp_path, pool.replace("user=", "password=hunter2 user="))
    assert "modules.m.targets" in refused(tmp_path, module.replace("'10.0.0.*:5432'", ""))
    assert "asks nobody" in refused(tmp_path, "servers: []\n")


def test_the_command_names_what_is_wrong_and_exits_with_2(tmp_path: Path) -> None:
    done = CliRunner().invoke(postgres, ["--config", str(tmp_path / "none.yml")])
    assert isinstance(done.exception, ConfigError)
    assert "none.yml" in str(done.exception)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("10", 9.5), ("5", 4.5), ("60", 9.5), ("", 9.5), ("soon", 9.5), ("0.2", 9.5), ("-1", 9.5)],
)
def test_the_answer_comes_before_the_scraper_goes(header: str, seconds: float) -> None:
    assert answer_within(header) == seconds
