"""Configurations from crontabs and timers: what they say can be loaded, what is left out is said."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from specter_core.errors import SpecterError
from specter_exporters.jobs.command import jobs
from specter_exporters.jobs.config import load
from specter_exporters.jobs.importing import name_of, span
from specter_exporters.run.pings import slug

CRONTAB = """\
# m h dom mon dow command
MAILTO=ops@example.org
30 2 * * *  /usr/local/bin/backup.sh --password=hunter2hunter2 > /dev/null 2>&1
*/15 * * * 1-5 cd /srv/shop && ./sync
@daily /usr/local/bin/backup.sh --weekly
@reboot /usr/local/bin/warm-up
61 * * * * broken
CRON_TZ=America/New_York
0 9 * * MON specter run --job digest --retries 2 -- ./digest
"""
SYSTEM = "17 * * * * root cd / && run-parts --report /etc/cron.hourly\n"
SHOWN = """\
Id=apt-daily.timer
TimersCalendar={ OnCalendar=*-*-* 06,18:00:00 ; next_elapse=Fri 2026-11-27 18:00:00 UTC }
TimersMonotonic=
AccuracyUSec=1min
RandomizedDelayUSec=12h

Id=fstrim.timer
TimersCalendar={ OnCalendar=Mon *-*-* 00:00:00 ; next_elapse=n/a }
TimersCalendar={ OnCalendar=Thu *-*-* 00:00:00 ; next_elapse=n/a }
AccuracyUSec=1min
RandomizedDelayUSec=0

Id=cache-warm.timer
TimersMonotonic={ OnBootUSec=15min ; next_elapse=15min }
TimersMonotonic={ OnUnitActiveUSec=1h 30min ; next_elapse=2h }

Id=at-boot.timer
TimersMonotonic={ OnBootUSec=15min ; next_elapse=15min }
"""


def imported(folder: Path, *arguments: str, given: str = "") -> str:
    done = CliRunner().invoke(jobs, ["import", *arguments], input=given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (folder / "jobs.yml").write_text(done.output)
    return done.output


def test_a_crontab_becomes_a_configuration(tmp_path: Path) -> None:
    text = imported(tmp_path, "--crontab", "-", "--time-zone", "Europe/Berlin", given=CRONTAB)
    found = {job.name: job.schedule_text for job in load(tmp_path / "jobs.yml").jobs}
    assert found == {
        "backup": "cron 30 2 * * * Europe/Berlin",
        "sync": "cron */15 * * * 1-5 Europe/Berlin",
        "backup-2": "cron @daily Europe/Berlin",
        "digest": "cron 0 9 * * MON America/New_York",
    }
    assert "# left out: @reboot /usr/local/bin/warm-up: runs at each start, at no time" in text
    assert "# left out: 61 * * * * broken: is no cron expression" in text
    assert "hunter2" not in text


def test_a_crontab_of_the_system_has_a_user_before_the_command(tmp_path: Path) -> None:
    (tmp_path / "hourly").write_text(SYSTEM)
    imported(tmp_path, "--system", "--crontab", str(tmp_path / "hourly"))
    [job] = load(tmp_path / "jobs.yml").jobs
    assert (job.name, job.schedule_text) == ("run-parts", "cron 17 * * * * UTC")


def test_timers_become_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{SHOWN}END\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    text = imported(tmp_path, "--systemd-timers")
    found = {job.name: (job.schedule_text, job.grace) for job in load(tmp_path / "jobs.yml").jobs}
    assert found == {
        "apt-daily": ("on_calendar *-*-* 06,18:00:00 UTC", 43_560.0),
        "fstrim": ("on_calendar Mon *-*-* 00:00:00; Thu *-*-* 00:00:00 UTC", 300.0),
        "cache-warm": ("every 5400s", 300.0),
    }
    assert "# left out: at-boot.timer: runs after an event, at no time of its own" in text


def test_nothing_to_import_is_a_configuration_without_jobs(tmp_path: Path) -> None:
    imported(tmp_path, "--crontab", "-", given="# nothing\n")
    assert load(tmp_path / "jobs.yml").jobs == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say what to import"),
        (["--crontab", "/nowhere"], "--crontab /nowhere: cannot be read"),
        (["--crontab", "-", "--time-zone", "Mars"], "is no time zone"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(jobs, ["import", *arguments])
    assert isinstance(done.exception, SpecterError)
    assert said in str(done.exception)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/opt/x/Warm_Cache.py --all", "warm_cache"),
        ("test -x /usr/bin/certbot && certbot renew", "certbot"),
        ("FOO=bar nice -n 10 ./nightly-job%input", "nightly-job"),
        ("'unfinished", "unfinished"),
        ("", "job"),
    ],
)
def test_a_job_is_called_like_its_program(command: str, name: str) -> None:
    assert name_of(command) == name


def test_names_are_parts_of_urls_and_spans_seconds() -> None:
    assert slug("Dpkg DB backup@1") == "dpkg-db-backup-1"
    assert (span("1h 30min"), span("500ms"), span("infinity"), span("0")) == (5400.0, 0.5, 0.0, 0.0)
