"""What the file may say, and what is refused."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from specter_core.config import ConfigError
from specter_core.errors import SpecterError
from specter_exporters.cli import exporter
from specter_exporters.jobs.config import load
from specter_exporters.jobs.schedules import Every

UUID = "0e0f1ddb-61fc-4ae4-a0ba-5f8d1c9a1b2f"
EXAMPLE = """\
time_zone: Europe/Berlin
jobs:
  - {name: backup, kind: backup, cron: 30 2 * * *, grace: 30m, uuid_file: uuid}
  - {name: sync, every: 15m}
  - {name: by-hand}
"""


def refused(folder: Path, text: str) -> str:
    (folder / "jobs.yml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(folder / "jobs.yml")
    return str(caught.value).replace(f"{folder}/", "")


def test_jobs_and_their_defaults(tmp_path: Path) -> None:
    (tmp_path / "jobs.yml").write_text(EXAMPLE)
    (tmp_path / "uuid").write_text(f"{UUID.upper()}\n")
    backup, sync, by_hand = load(tmp_path / "jobs.yml").jobs
    assert (backup.uuid, backup.grace, backup.schedule_text) == (UUID, 1800, "cron 30 2 * * * Europe/Berlin")
    assert (sync.schedule, sync.grace, sync.kind) == (Every(900), 300, "other")
    assert (by_hand.schedule, by_hand.max_duration) == (None, 86_400)


def test_every_error_is_named_with_its_line(tmp_path: Path) -> None:
    said = refused(
        tmp_path,
        "time_zone: Mars/Base\njobs:\n  - {name: A, cron: 61 * * * *}\n  - {name: b, cron: 61 * * * *}\n"
        "  - {name: c, every: 1h, on_calendar: daily}\n  - {name: d, on_calendar: soon}\n  - {nam: e}\n",
    )
    assert "jobs.yml:1: time_zone: is no time zone such as Europe/Berlin" in said
    assert "jobs.yml:3: jobs[0].name: expected lower-case letters" in said
    assert "jobs.yml:4: jobs[1]: cron: is no cron expression" in said
    assert "jobs.yml:5: jobs[2]: has on_calendar and every: one of them says when it is to run" in said
    assert "jobs.yml:6: jobs[3]: on_calendar: 'soon' is no OnCalendar expression" in said
    assert "jobs.yml:7: jobs[4].nam: is not a known key: did you mean name?" in said


def test_names_appear_once_and_made_jobs_need_a_key(tmp_path: Path) -> None:
    assert "b appears twice" in refused(tmp_path, "jobs: [{name: b}, {name: b}]\n")
    assert "give a ping_key_file" in refused(tmp_path, "most_made: 5\n")


@pytest.mark.parametrize("secret", ["short", "has a space in it 123", "slash/slash/slash/slash"])
def test_a_ping_key_that_could_be_guessed_or_is_no_part_of_a_url_is_refused(
    tmp_path: Path, secret: str
) -> None:
    (tmp_path / "key").write_text(secret)
    said = refused(tmp_path, "ping_key_file: key\n")
    assert "ping_key_file: expected 16 to 128 letters" in said
    assert secret not in said


def test_a_uuid_is_random_and_of_one_job(tmp_path: Path) -> None:
    (tmp_path / "uuid").write_text("6ba7b810-9dad-11d1-80b4-00c04fd430c8\n")
    said = refused(tmp_path, "jobs: [{name: a, uuid_file: uuid}, {name: b, uuid_file: none}]\n")
    assert "jobs[0].uuid_file: expected a random UUID" in said
    assert "jobs[1].uuid_file: cannot read none" in said
    (tmp_path / "uuid").write_text(f"{UUID}\n")
    assert "the same UUID" in refused(
        tmp_path, "jobs: [{name: a, uuid_file: uuid}, {name: b, uuid_file: uuid}]\n"
    )


def test_a_database_has_its_password_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "jobs.yml").write_text("database: {dsn: host=a user=b, password_file: secret}\n")
    database = load(tmp_path / "jobs.yml").database
    assert database is not None
    assert (database.dsn, database.password_file) == ("host=a user=b", tmp_path / "secret")
    assert "host=a" not in repr(database)
    said = refused(tmp_path, "database: {dsn: host=a password=hunter2}\n")
    assert "holds a password" in said
    assert "hunter2" not in said


def test_a_database_without_its_package_is_said_with_the_extra_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "specter_exporters.jobs.postgres_store", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    (tmp_path / "jobs.yml").write_text("database: {dsn: host=a user=b}\n")
    nowhere = ["--web.listen-address", "127.0.0.1:0", "--ping.listen-address", "127.0.0.1:0"]
    done = CliRunner().invoke(exporter, ["jobs", "--config", str(tmp_path / "jobs.yml"), *nowhere])
    assert isinstance(done.exception, SpecterError)
    assert "pip install 'specter-observability[jobs,postgres]'" in str(done.exception)
