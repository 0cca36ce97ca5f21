"""The wrapper and Specter's own receiver, as users have them."""

import time
from pathlib import Path

import pytest

from tests.exporters.jobs.serving_jobs import KEY, running_jobs
from tests.exporters.run.wrapping import Wrapper
from tests.servers.ping_receiver import PingReceiver
from tests.servers.prometheus import free_port

pytestmark = pytest.mark.integration


def test_runs_are_counted_also_those_of_an_outage_at_their_own_time(wrapper: Wrapper, tmp_path: Path) -> None:
    wrapper.environment = {"SPECTER_PING_URL": PingReceiver(free_port()).url, "SPECTER_PING_KEY": KEY}
    wrapper.options = ["--schedule", "30 3 * * *", "--timezone", "Europe/Berlin", "--kind", "backup"]
    before = time.time()
    assert wrapper.run("sh", "-c", "echo no room; exit 3").returncode == 3
    after = time.time()
    (tmp_path / "jobs").mkdir()
    with running_jobs(tmp_path / "jobs", "ping_key_file: ping.key\nmost_made: 9\n") as jobs:
        wrapper.environment["SPECTER_PING_URL"] = f"{jobs.pings}/ping"
        wrapper.options += ["--retries", "1", "--retry-delay", "10ms"]
        assert wrapper.run("sh", "-c", f"test -e {tmp_path}/once || ! touch {tmp_path}/once").returncode == 0
        scrape = jobs.scrape()
    assert scrape["specter_job_info", ("backup", "backup", "cron 30 3 * * * Europe/Berlin")] == 1
    assert scrape["specter_job_runs_total", ("backup", "failed")] == 1
    assert scrape["specter_job_runs_total", ("backup", "success")] == 1
    assert (
        before <= scrape["specter_job_last_failure_timestamp_seconds", ("backup",)] + 0.001 <= after + 0.002
    )
    assert scrape["specter_job_last_success_timestamp_seconds", ("backup",)] > after
    assert scrape["specter_job_attempts", ("backup",)] == 2
    assert scrape["specter_job_running", ("backup",)] == 0
    assert wrapper.waiting() == []
