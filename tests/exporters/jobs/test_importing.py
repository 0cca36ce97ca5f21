"""Configurations from crontabs and timers: what they say can be loaded, what is left out is said."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from specter_core.errors import SpecterError
from specter_exporters.jobs.command import jobs
from specter_exporters.jobs.config import load
from specter_exporters.jobs.importing import name_of, span
from specter_exporters.run.pings import slug
from tests.exporters.jobs.serving_jobs import running_jobs

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
SYSTEM = "SHELL=/bin/bash\n17 * * * * root\tcd / && run-parts --report /etc/cron.hourly\n1 2 * * * nobody\n"
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
Unit=warm.service
TimersMonotonic={ OnBootUSec=15min ; next_elapse=15min }
TimersMonotonic={ OnUnitActiveUSec=1h 30min ; next_elapse=2h }

Id=at-boot.timer
TimersMonotonic={ OnBootUSec=15min ; next_elapse=15min }
"""


def imported(folder: Path, *arguments: str, given: str = "") -> str:
    done = CliRunner().invoke(jobs, ["import", *arguments], input=given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stderr.startswith("next: a key, and a line for each job")
    (folder / "jobs.yml").write_text(done.stdout)
    (folder / "ping.key").write_text("0123456789abcdef\n")
    return done.stdout


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


def test_each_job_has_the_line_that_tells_of_its_runs(tmp_path: Path) -> None:
    text = imported(
        tmp_path, "--crontab", "-", given=CRONTAB + "1 2 * * * FOO=1 ./mail 'a  b' 5\\%%first%second\n"
    )
    lines = re.findall(r"^  #   now: (.*)", text, re.MULTILINE)
    specter = str(Path(sys.executable).with_name("specter"))
    backup = "'/usr/local/bin/backup.sh --password=… > /dev/null 2>&1'"
    mail = """'FOO=1 ./mail '"'"'a  b'"'"' 5\\%'%first%second"""
    assert lines == [
        f"30 2 * * * {specter} run --job backup -- /bin/sh -c {backup}",
        f"*/15 * * * 1-5 {specter} run --job sync -- /bin/sh -c 'cd /srv/shop && ./sync'",
        f"@daily {specter} run --job backup-2 -- /usr/local/bin/backup.sh --weekly",
        f"1 2 * * * {specter} run --job mail -- /bin/sh -c {mail}",
    ], "and none for the one that has specter run"
    for what in (
        f"{specter} exporter jobs",
        "SPECTER_PING_URL=",
        "SPECTER_PING_KEY_FILE=",
        "> ping.key",
        "curl",
    ):
        assert what in text.partition("time_zone:")[0]


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("/opt/x/run --day=1 a,b", "/opt/x/run --day=1 a,b"),
        (". /srv/job.sh", "/bin/sh -c '. /srv/job.sh'"),
        ("exec nightly", "/bin/sh -c 'exec nightly'"),
        ("A=/b c", "/bin/sh -c 'A=/b c'"),
        (r"cat > a\%b%in \% %", r"/bin/sh -c 'cat > a\%b'%in \% %"),
        (r"echo \\%in", r"/bin/sh -c 'echo \\'%in"),
        ("cut -d'\t' -f2 x", """/bin/sh -c 'cut -d'"'"'\t'"'"' -f2 x'"""),
        ("%in", "/bin/sh -c ''%in"),
    ],
)
def test_a_command_goes_through_specter_run_as_it_went_through_cron(
    tmp_path: Path, command: str, line: str
) -> None:
    text = imported(tmp_path, "--crontab", "-", given=f"1 2 * * * {command}\n")
    [now] = re.findall(r"^  #   now: 1 2 \* \* \* \S+/specter run --job \S+ -- (.*)", text, re.MULTILINE)
    assert now == line


@pytest.mark.parametrize(
    "command",
    [
        "mysqldump --single-transaction -u root -phunter2 shop",
        "mariadb-dump -p'hunter2 a' shop",
        "curl -fsS -u admin:hunter2 https://example.org",
        "curl --user 'admin:hunter2' https://example.org",
        "sshpass -p hunter2 ssh backup",
        "/usr/bin/redis-cli -h cache -a hunter2 bgsave",
        "PGPASSWORD=hunter2 pg_dump shop",
        "restic -r rest:https://me:hunter2@backup/ backup /srv",
    ],
)
def test_passwords_of_a_crontab_are_masked(tmp_path: Path, command: str) -> None:
    text = imported(tmp_path, "--crontab", "-", given=f"1 2 * * * {command}\n61 * * * * {command}\n")
    assert "hunter2" not in text
    assert text.count("…") >= 3


@pytest.mark.integration
def test_what_is_printed_is_all_that_a_crontab_needs(tmp_path: Path) -> None:
    text = imported(tmp_path, "--crontab", "-", given="0 3 * * *  ./report 'a  b' > out; exit 3\n")
    (tmp_path / "report").write_text('#!/bin/sh\necho "$1"\n')
    (tmp_path / "report").chmod(0o755)
    [line] = re.findall(r"^  #   now: 0 3 \* \* \* (.*)", text, re.MULTILINE)
    key = (tmp_path / "ping.key").read_text().strip()
    with running_jobs(tmp_path, text, key=key) as jobs:
        variables = dict(re.findall(r"^#      (\w+)=(.*)", text, re.MULTILINE))
        variables["SPECTER_PING_URL"] = variables["SPECTER_PING_URL"].replace(
            "http://127.0.0.1:9855", jobs.pings
        )
        variables["SPECTER_PING_KEY_FILE"] = variables["SPECTER_PING_KEY_FILE"].replace(
            "/full/path/of", str(tmp_path)
        )
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **variables}  # cron's
        done = subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, env=environment, check=False)
        assert (done.returncode, (tmp_path / "out").read_text()) == (3, "a  b\n")
        assert jobs.value("specter_job_runs_total", "report", "failed") == 1
        curl = re.search("COMMAND; (E=.*)", text)
        assert curl is not None
        by_curl = curl[1].replace("http://127.0.0.1:9855", jobs.pings).replace("KEY/NAME", f"{key}/report")
        subprocess.run(["/bin/sh", "-c", f"true; {by_curl}"], env=environment, check=True)
        assert jobs.value("specter_job_runs_total", "report", "success") == 1


def test_a_crontab_of_the_system_has_a_user_before_the_command(tmp_path: Path) -> None:
    (tmp_path / "hourly").write_text(SYSTEM)
    text = imported(tmp_path, "--system", "--crontab", str(tmp_path / "hourly"))
    assert "# left out: 1 2 * * * nobody: has a user, and no command" in text
    [job] = load(tmp_path / "jobs.yml").jobs
    assert (job.name, job.schedule_text) == ("run-parts", "cron 17 * * * * UTC")
    assert re.search(
        "now: 17 \\* \\* \\* \\* root \\S+/specter run --job run-parts -- /bin/bash -c 'cd /", text
    )


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
    assert "now: systemctl edit warm.service: ExecStart= and then ExecStart=/" in text
    assert "# left out: at-boot.timer: runs after an event, at no time of its own" in text


def test_variables_that_are_empty_say_nothing(tmp_path: Path) -> None:
    text = imported(tmp_path, "--crontab", "-", given="CRON_TZ=\nSHELL=''\n@daily ./a; ./b\n")
    assert [job.schedule_text for job in load(tmp_path / "jobs.yml").jobs] == ["cron @daily UTC"]
    assert "-- /bin/sh -c './a; ./b'" in text


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
        ("timeout 30m nice -n 5 /opt/report.sh", "report"),
        ("'unfinished", "unfinished"),
        ("", "job"),
    ],
)
def test_a_job_is_called_like_its_program(command: str, name: str) -> None:
    assert name_of(command) == name


def test_names_are_parts_of_urls_and_spans_seconds() -> None:
    assert slug("Dpkg DB backup@1") == "dpkg-db-backup-1"
    assert (span("1h 30min"), span("500ms"), span("infinity"), span("0")) == (5400.0, 0.5, 0.0, 0.0)
