"""The rules of jobs on a real Prometheus that scrapes the exporter: fired by jobs, ended by a success."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from specter_alerts.jobs import groups
from specter_alerts.settings import DEFAULTS
from specter_alerts.writer import render_rules
from specter_exporters.jobs.book import Book
from specter_exporters.jobs.model import Job
from specter_exporters.jobs.schedules import Cron
from specter_exporters.jobs.sqlite_store import SqliteStore
from tests.exporters.jobs.serving_jobs import KEY, Hand, running_jobs
from tests.exporters.serving import until
from tests.servers.prometheus import Prometheus, running_prometheus

pytestmark = [pytest.mark.integration, pytest.mark.prove]  # Prometheus scrapes after five seconds at first

CONFIG = """\
ping_key_file: ping.key
most_made: 1
jobs:
  - {name: backup}
  - {name: nightly, cron: 0 0 * * *, grace: 10m}
  - {name: dump, max_duration: 1h}
"""
SERVER = """\
global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}}
rule_files: [jobs.rules.yml]
scrape_configs:
  - job_name: jobs
    static_configs: [{{targets: ["{target}"], labels: {{service: jobs}}}}]
"""
# One missed run fires, and is forgotten soon; what has ended is over at once.
SETTINGS = replace(DEFAULTS, job_missed_runs=0, job_missed_within="5s", keep_firing="1s")
DAY = 86_400.0


def known_for(days: float, folder: Path) -> None:
    """Let the exporter have been down for so long, with a job that is to run each night."""
    job = Job("nightly", schedule=Cron("0 0 * * *", ZoneInfo("UTC")), grace=600)
    book = Book([job], SqliteStore(folder), Hand(time.time() - days * DAY))
    book.open()
    book.close()


def firing(server: Prometheus) -> set[tuple[str, str]]:
    """Return the alerts that fire, and the job of each; all are of the exporter's service."""
    found = [row["metric"] for row in server.query('ALERTS{alertstate="firing", service="jobs"}')]
    return {(each["alertname"], each["job_name"]) for each in found}  # type: ignore[index]


def test_alerts_tell_which_job_failed_hangs_or_did_not_run_and_end_with_a_success(tmp_path: Path) -> None:
    known_for(5, tmp_path / "data-jobs")
    rules = render_rules(groups(SETTINGS))
    with running_jobs(tmp_path, CONFIG) as jobs:
        config = SERVER.format(target=jobs.metrics.removeprefix("http://"))
        with running_prometheus(
            tmp_path / "prometheus", config=config, files={"jobs.rules.yml": rules}
        ) as server:
            expected = {("JobUnsuccessful", "nightly"), ("JobOverdue", "nightly")}
            until(lambda: firing(server) == expected, "nights that were missed while the exporter was down")

            once = datetime.fromtimestamp(time.time() + 2, UTC).strftime("%Y-%m-%d %H:%M:%S")
            headers = {"X-Specter-Schedule": once, "X-Specter-Grace": "1"}
            assert jobs.ping(f"{KEY}/digest/log?create=1", headers=headers).status_code == 201
            assert jobs.ping(f"{KEY}/backup/1").ok
            began = {"X-Specter-At": f"{time.time() - 5400:.0f}"}
            assert jobs.ping(f"{KEY}/dump/start", headers=began).ok
            expected |= {("JobFailed", "backup"), ("JobRunningLong", "dump")}
            until(lambda: firing(server) == expected, "a failure and a run that hangs")
            expected |= {("JobOverdue", "digest"), ("JobRunsMissed", "digest")}
            until(lambda: firing(server) == expected, "a run that did not come")

            for name in ("nightly", "digest", "backup", "dump"):
                assert jobs.ping(f"{KEY}/{name}").ok
            until(lambda: not firing(server), "a success of each")
            assert server.values("specter_job_missed_runs_total{job_name='digest'}") == [1]
