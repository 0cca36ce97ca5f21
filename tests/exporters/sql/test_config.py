"""The configuration file: every error at once, and no secret in any of them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from specter_core.config import ConfigError
from specter_core.durations import EXPECTED_SECONDS
from specter_exporters.sql.command import sql
from specter_exporters.sql.config import load
from specter_exporters.sql.dsn import DsnError
from specter_exporters.sql.model import IntegrityCheck, Plan, SyncCheck, Timing

PAGE = (Path(__file__).parents[3] / "docs" / "exporters-sql.md").read_text("utf-8")
NAME = "expected lower-case letters, digits, _ and -, beginning with a letter"
READS = "expected a query that reads: SELECT, WITH, VALUES or TABLE"
DATABASE = "databases: [{name: shop, dsn: 'sqlite:///shop.db'}]\n"


def loaded(folder: Path, text: str) -> Plan:
    (folder / "sql.yml").write_text(text)
    return load(folder / "sql.yml")


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text)
    return [str(each).removeprefix(f"{folder / 'sql.yml'}:") for each in caught.value.problems]


def test_the_documented_file_is_taken(tmp_path: Path) -> None:
    text = PAGE.partition("```yaml\n# sql.yml")[2].partition("```")[0]
    plan = loaded(tmp_path, f"#{text}")
    assert [each.name for each in plan.databases] == ["shop", "warehouse"]
    paid, hour, _, copied = plan.checks
    assert isinstance(paid, IntegrityCheck)
    assert (paid.severity, paid.sample, paid.timing) == ("critical", "masked", Timing(60.0, 10.0))
    assert isinstance(hour, IntegrityCheck)
    assert (hour.at_least, hour.at_most, hour.timing.stale_after) == (1.0, None, 610.0)
    assert isinstance(copied, SyncCheck)
    assert (copied.database, copied.most_lag, copied.most_row_difference) == ("warehouse", 600.0, 100.0)


def test_every_error_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    text = """\
databases:
  - {name: shop, dsn: "sqlite:///shop.db", dsn_env: URL}
  - {name: Other, dsn: "sqlite:///shop.db"}
integrity:
  - {name: a, database: shop, query: delete from orders}
  - {name: b, database: shop, query: select 1, at_most: 1, at_least: 2, interval: soon}
sync:
  - name: c
    source: {database: shop, rows: select 1}
    target: {database: shop, mark: select 1}
    most_lagg: 5s
"""
    assert problems(tmp_path, text) == [
        "2: databases[0]: needs one of dsn, dsn_file and dsn_env",
        f"3: databases[1].name: {NAME} (found 'Other')",
        f"5: integrity[0].query: {READS} (found 'delete from orders')",
        f"6: integrity[1].interval: {EXPECTED_SECONDS} (found 'soon')",
        "11: sync[0].most_lagg: is not a known key: did you mean most_lag?",
    ]


def test_names_are_used_once_and_databases_are_there(tmp_path: Path) -> None:
    text = f"""\
{DATABASE}
integrity: [{{name: orders, database: elsewhere, query: select 1}}]
business: [{{name: orders, database: shop, query: select 1}}]
sync:
  - name: copied
    source: {{database: shop, rows: select 1}}
    target: {{database: copy, rows: select 1}}
"""
    assert problems(tmp_path, text) == [
        "3: integrity[0].database: elsewhere is none of the databases; there is shop",
        "4: business[0].name: orders appears twice",
        "8: sync[0].target.database: copy is none of the databases; there is shop",
    ]
    assert problems(tmp_path, DATABASE) == ["1: asks nothing; expected integrity, business or sync"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("target: {database: shop, mark: select 1}", "rows is in source or target alone; it is compared"),
        ("most_lag: 1m", "most_lag needs mark: time, and mark in source and target"),
        ("mark: number, most_mark_difference: 1", "most_mark_difference needs mark: number, and mark in "),
    ],
)
def test_what_is_allowed_is_allowed_of_what_is_compared(tmp_path: Path, settings: str, said: str) -> None:
    rows = "{database: shop, rows: select 1}"
    given = settings if "target" in settings else f"target: {rows}, {settings}"
    [problem] = problems(tmp_path, f"{DATABASE}sync: [{{name: copied, source: {rows}, {given}}}]")
    assert said in problem


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("postgresql://me:pass-word@h/shop", "holds a secret; name its place as password_file"),
        ("postgresql://me@h/shop?password=pass-word", "holds a secret; name its place as password_file"),
        ("pass-word", "is not a URL such as postgresql://user@127.0.0.1:5432/shop"),
        ("mysql://me:pass-word@h:port/shop", "is not a URL such as postgresql://user@127.0.0.1:5432/shop"),
        ("oracle://me:pass-word@h/shop", "oracle is not known; there are mariadb, mariadb+pymysql, mysql"),
        ("mysql://me:in@pass-word@h/shop", "has more than one @; in a password, write %40 for it"),
        ("mysql://me:in@side/pass-word@h/shop", "has more than one @; in a password, write %40"),
        ("sqlite://", "names no file, as in sqlite:////var/lib/shop.db"),
    ],
)
def test_a_url_with_a_password_or_of_another_kind_is_refused_and_not_repeated(
    tmp_path: Path, dsn: str, said: str
) -> None:
    text = (
        f"databases: [{{name: shop, dsn: '{dsn}'}}]\nbusiness: [{{name: a, database: shop, query: select 1}}]"
    )
    [problem] = problems(tmp_path, text)
    assert problem.startswith("1: databases[0].dsn: ")
    assert said in problem
    assert "pass-word" not in problem


def test_how_to_log_in_and_where_a_certificate_is_are_no_secrets(tmp_path: Path) -> None:
    dsn = "postgresql://me@h/shop?require_auth=scram-sha-256&sslmode=verify-full&sslkey=/etc/key"
    text = (
        f"databases: [{{name: shop, dsn: '{dsn}'}}]\nbusiness: [{{name: a, database: shop, query: select 1}}]"
    )
    assert loaded(tmp_path, text).databases[0].dsn.resolve().query["require_auth"] == "scram-sha-256"


def test_a_url_is_read_where_it_is_kept_each_time_and_never_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = """\
databases:
  - {name: file, dsn_file: url, password_file: password}
  - {name: variable, dsn_env: URL}
business: [{name: a, database: file, query: select 1}]
"""
    file, variable = (each.dsn for each in loaded(tmp_path, text).databases)
    with pytest.raises(DsnError, match=r"database file: dsn: cannot read .*/url: No such file"):
        file.resolve()
    (tmp_path / "url").write_text("postgres://me@h/shop\n")
    for password in ("one", "two"):
        (tmp_path / "password").write_text(password)
        assert file.resolve().password == password
    with pytest.raises(DsnError, match="database variable: dsn: the environment variable URL is not set"):
        variable.resolve()
    monkeypatch.setenv("URL", "pass-word")
    with pytest.raises(DsnError, match=r"^database variable: dsn: is not a URL such as") as caught:
        variable.resolve()
    assert "pass-word" not in str(caught.value)
    monkeypatch.setenv("URL", "mysql://me:pass-word@h/shop")
    assert variable.resolve().drivername == "mysql+pymysql"
    assert "pass-word" not in repr(variable)


def test_without_a_file_the_command_says_what_is_missing() -> None:
    result = CliRunner().invoke(sql, [])
    assert str(result.exception) == "say what to check: --config FILE; docs/exporters-sql.md shows one"
    assert "specter exporter sql check --config sql.yml" in CliRunner().invoke(sql, ["--help"]).output
