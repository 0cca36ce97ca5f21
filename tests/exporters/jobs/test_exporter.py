"""The running exporter: pinged as healthchecks.io is, killed, started again, scraped."""

import re
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import requests

from specter_alerts.jobs import groups
from specter_alerts.model import AlertRule
from specter_alerts.settings import DEFAULTS
from specter_core import metrics
from specter_core.metrics import Metric
from specter_detector.presets.catalogue import PRESETS
from specter_exporters.jobs.sqlite_store import SqliteStore
from specter_stack.programs import find_program
from tests.exporters.jobs.serving_jobs import KEY, WITHIN, JobsProcess, running_jobs
from tests.exporters.serving import until

pytestmark = pytest.mark.integration

UUID = "0e0f1ddb-61fc-4ae4-a0ba-5f8d1c9a1b2f"
CONFIG = """\
time_zone: Europe/Berlin
ping_key_file: ping.key
most_made: 3
jobs:
  - {name: backup, kind: backup, cron: 30 2 * * *, grace: 30m, uuid_file: backup.uuid}
  - {name: digest, kind: mail_digest, on_calendar: Mon..Fri 07:00}
  - {name: sync, kind: sync, every: 15m}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "backup.uuid").write_text(f"{UUID}\n")
    return folder


@pytest.fixture(scope="module")
def jobs(folder: Path) -> Iterator[JobsProcess]:
    with running_jobs(folder, CONFIG) as running:
        yield running


def test_pings_are_answered_as_healthchecks_answers(jobs: JobsProcess) -> None:
    def said(path: str, method: str = "GET") -> tuple[int, str]:
        answer = jobs.ping(path, method=method)
        return answer.status_code, answer.text

    assert said(UUID) == (200, "OK")
    assert said(f"{UUID.upper()}/start", "POST") == (200, "OK")
    assert said(f"{UUID}/0", "HEAD") == (200, "")
    assert said(f"{UUID}/fail") == said(f"{UUID}/log") == said(f"{UUID}/17") == (200, "OK")
    assert said(f"{KEY}/digest/start?rid={uuid4()}") == (200, "OK")
    assert (
        said(f"{UUID}/256") == said(f"{UUID}/stop") == said(f"{UUID}/fail/1") == (400, "invalid url format")
    )
    assert said(f"{UUID}?rid=7") == (400, "invalid uuid format")
    assert said(str(uuid4())) == said(f"{KEY}/other") == said(f"not-the-key/{UUID}") == (404, "not found")
    assert said(UUID, "PUT") == (405, "method not allowed")
    assert jobs.ping(UUID).headers["Ping-Body-Limit"] == "10000"
    assert jobs.value("specter_job_runs_total", "backup", "success") == 3
    assert jobs.value("specter_job_runs_total", "backup", "failed") == 2
    assert jobs.value("specter_job_exit_status", "backup") is None, "the newest told none"


def test_what_is_refused_makes_no_job_and_the_ping_key_is_no_name_of_one(jobs: JobsProcess) -> None:
    refused = [f"{KEY}/wrong/stop?create=1", f"{KEY}/wrong?create=1&rid=7", f"{KEY}/wrong/0/1?create=1"]
    refused += [f"{KEY}/{KEY}?create=1", f"{KEY}/{KEY}/backup/start?create=1", f"{KEY}/{KEY}/start?create=1"]
    assert {jobs.ping(url).status_code for url in refused} == {400}
    names = {labels[0] for family, labels in jobs.scrape() if family == "specter_job_info"}
    assert "backup" in names
    assert not names & {"wrong", KEY}


def test_a_slug_makes_a_job_where_it_may(jobs: JobsProcess) -> None:
    assert jobs.ping(f"{KEY}/report?create=1").status_code == 201
    assert jobs.ping(f"{KEY}/report?create=1").status_code == 200
    assert jobs.ping(f"{KEY}/Report?create=1").status_code == 404
    assert jobs.ping(f"{KEY}/two/start?create=1").status_code == 201
    assert jobs.ping(f"{KEY}/three?create=1").status_code == 201
    assert jobs.ping(f"{KEY}/four?create=1").status_code == 404, "as many as may be made"
    assert jobs.value("specter_job_runs_total", "report", "success") == 2
    assert jobs.value("specter_job_overdue", "report") is None, "nobody knows when it is to run"


def test_a_ping_says_what_its_job_is_and_a_later_one_what_it_has_become(tmp_path: Path) -> None:
    config = "ping_key_file: ping.key\nmost_made: 1\njobs: [{name: sync, every: 15m}]\n"
    nightly = {
        "X-Specter-Schedule": "30 3 * * *",
        "X-Specter-Timezone": "Europe/Berlin",
        "X-Specter-Kind": "backup",
    }
    with running_jobs(tmp_path, config) as first:
        assert (
            first.ping(f"{KEY}/made?create=1", headers={"X-Specter-Schedule": "61 * * * *"}).status_code
            == 400
        )
        assert first.ping(f"{KEY}/made?create=1", headers=nightly).status_code == 201
        shown = ("specter_job_info", ("made", "backup", "cron 30 3 * * * Europe/Berlin"))
        assert first.scrape()[shown] == 1
        assert first.ping(f"{KEY}/made/start", headers={**nightly, "X-Specter-Schedule": "0 4 * * *"}).ok
        assert first.ping(f"{KEY}/sync", headers=nightly).ok
        later = first.value("specter_job_next_expected_timestamp_seconds", "made")
        # One that has waited knows no better.
        waited = {**nightly, "X-Specter-At": f"{time.time() - 3600:.0f}"}
        assert first.ping(f"{KEY}/made", headers=waited).ok
        assert first.value("specter_job_next_expected_timestamp_seconds", "made") == later
    with running_jobs(tmp_path, config) as again:
        scrape = again.scrape()
        assert scrape["specter_job_next_expected_timestamp_seconds", ("made",)] == later
        assert scrape["specter_job_info", ("sync", "other", "every 900s")] == 1, "the file knows better"


def test_a_ping_that_had_to_wait_tells_when_it_happened(jobs: JobsProcess) -> None:
    hours_ago = float(int(time.time()) - 7200)
    run = uuid4()
    assert jobs.ping(f"{KEY}/digest/start?rid={run}", headers={"X-Specter-At": f"{hours_ago}"}).ok
    assert jobs.ping(f"{KEY}/digest/3?rid={run}", headers={"X-Specter-At": f"{hours_ago + 90.5}"}).ok
    assert jobs.value("specter_job_last_failure_timestamp_seconds", "digest") == hours_ago + 90.5
    assert jobs.value("specter_job_last_duration_seconds", "digest") == 90.5
    assert jobs.ping(f"{KEY}/digest", headers={"X-Specter-At": "yesterday"}).text == "invalid X-Specter-At"
    before = time.time()
    for wrong_clock in ("12", f"{before + 9000:.0f}"):
        assert jobs.ping(f"{KEY}/digest", headers={"X-Specter-At": wrong_clock}).ok
        newest = jobs.value("specter_job_last_success_timestamp_seconds", "digest")
        assert newest is not None
        assert before <= newest <= time.time()


def test_what_is_told_again_is_answered_and_not_counted_also_over_a_restart(tmp_path: Path) -> None:
    config = "ping_key_file: ping.key\njobs: [{name: sync}]\n"
    first, second = uuid4(), uuid4()
    with running_jobs(tmp_path, config) as jobs:
        for path in (f"start?rid={first}", f"0?rid={first}", f"start?rid={second}", f"1?rid={second}"):
            assert jobs.ping(f"{KEY}/sync/{path}").text == "OK"
        again = jobs.ping(f"{KEY}/sync/0?rid={first}")
        assert (again.status_code, again.text) == (200, "OK (counted before)")
    with running_jobs(tmp_path, config) as jobs:
        for path in (f"start?rid={first}", f"0?rid={first}", f"1?rid={second}"):
            assert jobs.ping(f"{KEY}/sync/{path}").text == "OK (counted before)"
        scrape = jobs.scrape()
        assert scrape["specter_job_pings_total", ("repeated",)] == 3
        assert [
            scrape["specter_job_runs_total", ("sync", outcome)] for outcome in ("success", "failed", "lost")
        ] == [1, 1, 0]
        assert scrape["specter_job_running", ("sync",)] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"},
        {"User-Agent": "Mozilla/5.0", "Sec-Purpose": "prefetch;prerender"},
        {"User-Agent": "Mozilla/5.0", "Purpose": "prefetch"},
        {"User-Agent": "facebookexternalhit/1.1"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_looks_at_a_link_is_no_run(jobs: JobsProcess, headers: dict[str, str], method: str) -> None:
    before = jobs.value("specter_job_runs_total", "sync", "success")
    assert jobs.ping(f"{KEY}/sync", headers=headers, method=method).status_code == 200
    assert jobs.value("specter_job_runs_total", "sync", "success") == before


def test_the_end_of_the_output_is_kept_without_secrets_and_its_size_is_told(
    jobs: JobsProcess, folder: Path
) -> None:
    body = b"x" * 30_000 + b"\npassword=hunter2\ndisk full"
    assert jobs.ping(f"{KEY}/digest/1", method="POST", data=body).status_code == 200
    assert jobs.value("specter_job_output_size_bytes", "digest") == len(body)
    newest = SqliteStore(folder / "data-jobs").events("digest")[0]
    assert newest.exit_status == 1
    assert len(newest.output) == 10_000
    assert newest.output.endswith("x\npassword=…\ndisk full")
    assert jobs.ping(f"{KEY}/digest", method="POST", data=b"x" * (1024 * 1024 + 1)).status_code == 413


def test_a_job_that_pings_too_often_waits_and_who_guesses_does_and_no_other(jobs: JobsProcess) -> None:
    often = [jobs.ping(f"{KEY}/sync/log") for _ in range(40)]
    late = [answer for answer in often if answer.status_code == 429]
    assert late
    assert (late[0].text, late[0].headers["Retry-After"]) == ("rate limit exceeded", "1")
    guesses = [jobs.ping(f"{KEY}/guess-{number}").status_code for number in range(30)]
    assert set(guesses) == {404, 429}
    assert jobs.ping(f"{KEY}/digest/log").status_code == 200


def test_rules_and_presets_name_nothing_that_is_not_exposed(jobs: JobsProcess) -> None:
    text = requests.get(f"{jobs.metrics}/metrics", timeout=WITHIN).text
    exposed = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    exposed |= {f"{name}_{part}" for name in exposed for part in ("sum", "count")}
    asked = set(re.findall(r"\bspecter_(?:job|delivery)_\w+", "".join(rule.expr for rule in job_rules())))
    wanted = {name for query in PRESETS["jobs"].queries for each in query.sources for name in each.needs}
    recorded = {"specter_job_runs_success"}  # a part of a recorded series' name
    assert asked - recorded <= exposed
    assert {name for name in wanted if name.startswith("specter_")} <= exposed


def job_rules() -> list[AlertRule]:
    return [rule for group in groups(DEFAULTS) for rule in group.alerts]


def test_the_scrape_is_sound_and_tells_of_every_metric(jobs: JobsProcess, folder: Path) -> None:
    jobs.ping(f"{KEY}/sync/start")
    jobs.ping(f"{KEY}/sync/0?attempts=2", method="POST", data="done")
    url = f"{jobs.metrics}/metrics"
    text = requests.get(url, timeout=WITHIN).text
    assert not re.search(r'[{,]job="', text)
    until(lambda: jobs.scrape().get(("specter_job_ping_endpoint_up", ())) == 1, "the exporter's own request")
    check = [str(find_program("promtool")), "check", "metrics"]
    linted = subprocess.run(check, input=text, text=True, capture_output=True, check=False)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")
    openmetrics = requests.get(
        url, headers={"Accept": "application/openmetrics-text; version=1.0.0"}, timeout=WITHIN
    )
    assert openmetrics.text.endswith("# EOF\n")
    assert openmetrics.text.count("# EOF") == 1
    asked = requests.get(f"{url}?name[]=specter_job_overdue", timeout=WITHIN).text
    assert set(re.findall(r"^(\w+)", asked, re.MULTILINE)) == {"specter_job_overdue"}
    assert KEY not in text
    assert UUID not in text
    shown = " ".join([*psutil.Process(jobs.process.pid).cmdline(), jobs.log.read_text()])
    assert KEY not in shown
    assert UUID not in shown


def test_what_was_answered_is_kept_when_the_exporter_is_killed(tmp_path: Path) -> None:
    (tmp_path / "backup.uuid").write_text(f"{UUID}\n")
    answered = [0]
    with running_jobs(
        tmp_path, CONFIG.replace("jobs:", "job_requests_per_second: 1e5\njobs:"), killed=True
    ) as one:
        enough = threading.Event()

        def send() -> None:
            with requests.Session() as session:
                while True:
                    try:
                        answer = session.get(f"{one.pings}/ping/{UUID}", timeout=WITHIN)
                    except requests.ConnectionError:
                        return
                    answered[0] += answer.status_code == 200
                    if answered[0] >= 50:
                        enough.set()

        sender = threading.Thread(target=send)
        sender.start()
        assert enough.wait(WITHIN)
        one.process.kill()  # in the middle of it
        sender.join(WITHIN)
    with running_jobs(tmp_path, CONFIG) as again:
        counted = again.value("specter_job_runs_total", "backup", "success")
        assert counted in {answered[0], answered[0] + 1}, "one may be kept whose answer never came"


def test_every_metric_is_on_the_page_and_no_other() -> None:
    page = (Path(__file__).parents[3] / "docs" / "exporters-jobs.md").read_text("utf-8")
    known = {
        each.name
        for name, each in vars(metrics).items()
        if name.startswith(("JOB_", "DELIVERY_")) and isinstance(each, Metric)
    }
    assert set(re.findall(r"\bspecter_(?:job|delivery)_\w+", page)) == known


def test_a_second_exporter_of_the_same_folder_is_refused(jobs: JobsProcess, folder: Path) -> None:
    with pytest.raises(AssertionError, match="is used by another exporter"), running_jobs(folder, CONFIG):
        pass
