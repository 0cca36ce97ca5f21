"""The shop's jobs: what the digest says, what the backup keeps, and when each is started."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from specter_core.clock import SystemClock
from specter_demo.files import read_state, write_state
from specter_demo.jobs.backup import KEPT, BackupError, back_up
from specter_demo.jobs.digest import OWNER, send_digest
from specter_demo.jobs.scheduler import Scheduler, next_run
from specter_demo.jobs.table import BACKUP, DIGEST, JOBS, Job
from specter_demo.jobs.trouble import ALL_WELL, JobTrouble
from specter_demo.mail import Mail, mailer
from specter_stack.programs import find_program
from tests.demo.queue_servers import Backstage, running_backstage, until

CHECKOUT = Path(__file__).parents[2]
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC).timestamp()
ORDERS = """
insert into orders (customer_id, status, amount_cents, placed_at) values
    (1, 'paid', 1000, now() - interval '1 hour'), (1, 'paid', 250, now() - interval '23 hours'),
    (null, 'payment_failed', 500, now()), (1, 'paid', 9900, now() - interval '25 hours')
"""


class Hand(SystemClock):
    """A clock whose hand the test moves; it sleeps as the machine does."""

    now = NOON

    def time(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def backstage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backstage]:
    with running_backstage(tmp_path_factory.mktemp("backstage")) as running:
        with running.connect() as connection:
            connection.execute(ORDERS.encode())
        yield running


@pytest.mark.integration
def test_the_digest_tells_the_owner_of_the_last_day(backstage: Backstage) -> None:
    with backstage.connect() as connection:
        text = send_digest(connection, mailer(backstage.settings))
    assert text == (
        "3 orders of 1 customers in the last 24 hours, 1 of them not paid; 12.50 EUR. "
        "1 customers have an account."
    )
    mail = backstage.inbox.newest()[-1]
    assert (mail["recipient"], mail["subject"], mail["text"]) == (OWNER, "Your shop's day", text)


@pytest.mark.integration
def test_a_broken_digest_fails_with_the_database_s_reason_and_sends_nothing(backstage: Backstage) -> None:
    before = len(backstage.inbox.newest())
    write_state(backstage.settings.jobs_file, JobTrouble(broken=(DIGEST,)))
    failed = backstage.command("job", DIGEST)
    write_state(backstage.settings.jobs_file, ALL_WELL)
    assert failed.returncode == 1
    assert 'column "newsletter" does not exist' in failed.stderr
    assert "Traceback" not in failed.stderr
    assert len(backstage.inbox.newest()) == before
    assert backstage.command("job", DIGEST).returncode == 0


@pytest.mark.integration
def test_a_backup_can_be_read_and_has_all_but_the_goods(backstage: Backstage) -> None:
    done = backstage.command("job", BACKUP)
    assert done.returncode == 0, done.stderr
    (file,) = backstage.settings.backups.iterdir()
    assert done.stdout == f"{file}: {file.stat().st_size} bytes\n"
    restore = find_program("pg_dump").with_name("pg_restore")
    listed = subprocess.run([restore, "--list", file], capture_output=True, text=True, check=True).stdout
    data = {line.split()[6] for line in listed.splitlines() if " TABLE DATA " in line}
    assert data == {"customers", "orders", "order_lines", "checkins", "settlements"}
    assert " TABLE public products " in listed
    file.unlink()


@pytest.mark.integration
def test_the_oldest_backups_go(backstage: Backstage) -> None:
    program = find_program("pg_dump")
    made = [back_up(backstage.settings, program, NOON + 60 * number) for number in range(KEPT + 2)]
    assert made[0].name == "shop-20260304T120000Z.dump"
    assert sorted(backstage.settings.backups.iterdir()) == made[2:]
    for file in made[2:]:
        file.unlink()


@pytest.mark.integration
def test_a_backup_that_fails_leaves_the_others_and_no_password(backstage: Backstage, tmp_path: Path) -> None:
    program = find_program("pg_dump")
    for number in range(KEPT):
        back_up(backstage.settings, program, NOON + 60 * number)
    before = {file: file.read_bytes() for file in backstage.settings.backups.iterdir()}
    wrong = tmp_path / "password"
    wrong.write_text("not-the-password", encoding="utf-8")
    settings = backstage.settings.model_copy(update={"database_password_file": wrong})
    assert settings.backups == backstage.settings.backups
    with pytest.raises(BackupError, match="password authentication failed") as failure:
        back_up(settings, program, NOON + 3600)
    assert "not-the-password" not in str(failure.value)
    assert len(before) == KEPT
    assert {file: file.read_bytes() for file in settings.backups.iterdir()} == before
    for file in before:
        file.unlink()


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("*/2 * * * *", "12:02"), ("*/5 * * * *", "12:05"), ("15 3 * * *", "03:15"), ("0 12 * * *", "12:00")],
)
def test_the_next_run_is_after_now_and_in_utc(schedule: str, expected: str) -> None:
    found = next_run(schedule, NOON)
    assert datetime.fromtimestamp(found, UTC).strftime("%H:%M") == expected
    assert NOON < found <= NOON + 86_400


class Started:
    """A scheduler of one job, and what it says."""

    def __init__(self, code: str, forgotten: tuple[str, ...] = ()) -> None:
        self.clock = Hand()
        self.said: list[str] = []
        self.trouble = JobTrouble(forgotten=forgotten)
        job = Job("nap", "*/2 * * * *", (sys.executable, "-c", code))
        self.scheduler = Scheduler([job], lambda: self.trouble.forgotten, self.clock, self.said.append)

    def look(self, seconds: float) -> None:
        """Look at the jobs `seconds` after noon."""
        self.clock.now = NOON + seconds
        self.scheduler.look()

    def ended(self) -> bool:
        self.scheduler.look()
        return self.said[-1].startswith("nap ended")


def test_a_job_is_started_once_when_it_is_due_and_its_end_is_told() -> None:
    started = Started("raise SystemExit(3)")
    started.look(119.9)
    assert started.said == []
    started.look(120.0)
    started.look(120.5)
    until(started.ended, "the job's end")
    assert started.said == ["nap started", "nap ended with 3"]
    started.look(240.0)
    assert started.said[2:] == ["nap started"]
    until(started.ended, "the second end")


def test_a_job_that_still_runs_is_not_started_again_and_ends_with_the_scheduler() -> None:
    started = Started("import signal; signal.pause()")
    started.look(120.0)
    started.look(240.0)
    assert started.said == ["nap started", "nap still runs and is not started again"]
    started.scheduler.run(lambda seconds: True)


def test_a_job_that_is_forgotten_is_not_started_and_says_nothing_until_it_is_remembered() -> None:
    started = Started("pass", forgotten=("nap",))
    started.look(120.0)
    started.look(240.0)
    assert started.said == []
    started.trouble = replace(started.trouble, forgotten=())
    started.look(300.0)
    assert started.said == []
    started.look(360.0)
    assert started.said == ["nap started"]
    until(started.ended, "the job's end")


@pytest.mark.parametrize("text", ["", "[]", '{"broken": 3}', '{"other": []}'])
def test_what_is_no_trouble_of_jobs_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "jobs.json"
    file.write_text(text, encoding="utf-8")
    assert read_state(file, ALL_WELL) == ALL_WELL


def test_trouble_of_jobs_is_read_as_it_was_written(tmp_path: Path) -> None:
    trouble = JobTrouble(broken=(DIGEST,), forgotten=(BACKUP,))
    write_state(tmp_path / "jobs.json", trouble)
    assert read_state(tmp_path / "jobs.json", ALL_WELL) == trouble


def test_the_exporter_expects_the_jobs_when_the_scheduler_starts_them() -> None:
    expected = yaml.safe_load((CHECKOUT / "stack" / "exporters" / "jobs.yml").read_text("utf-8"))["jobs"]
    assert {each["name"]: each["cron"] for each in expected} == {job.name: job.schedule for job in JOBS}


def test_each_job_is_a_command_line_of_ours() -> None:
    specter = (sys.executable, "-m", "specter_core")
    assert [(job.name, job.command) for job in JOBS] == [
        (name, (*specter, "run", "--job", name, "--", *specter, "demo", "job", name))
        for name in (DIGEST, BACKUP)
    ]


@pytest.mark.integration
def test_no_mail_is_sent_without_an_inbox(backstage: Backstage) -> None:
    environment = {**backstage.environment, "SHOP_INBOX_URL": ""}
    done = replace(backstage, environment=environment).command("job", DIGEST)
    assert done.returncode == 1
    assert "SHOP_INBOX_URL is not set" in done.stderr
    with pytest.raises(OSError, match="40"):
        mailer(backstage.settings)(Mail(OWNER, "", None))  # type: ignore[arg-type]
