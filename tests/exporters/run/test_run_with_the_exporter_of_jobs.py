"""The wrapper and Specter's own receiver, as users have them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

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


@contextmanager
def losing_answers(of: str) -> Iterator[str]:
    """Run a proxy that hands requests over to `of`, and loses the answers to what tells of an end."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            requests.post(f"{of}{self.path}", body, headers=dict(self.headers), timeout=20).raise_for_status()
            if "/start" in self.path:
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
            self.close_connection = True

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_an_end_whose_answer_got_lost_is_delivered_again_after_others_and_counts_once(
    wrapper: Wrapper, tmp_path: Path
) -> None:
    other = replace(wrapper, state=tmp_path / "other", environment={"SPECTER_PING_KEY": KEY})
    wrapper.environment = {"SPECTER_PING_KEY": KEY}
    (tmp_path / "jobs").mkdir()
    with running_jobs(tmp_path / "jobs", "ping_key_file: ping.key\njobs: [{name: backup}]\n") as jobs:
        with losing_answers(jobs.pings) as lossy:
            wrapper.environment["SPECTER_PING_URL"] = f"{lossy}/ping"
            assert wrapper.run("true").returncode == 0
        assert len(wrapper.waiting()) == 1, "the end"
        other.environment["SPECTER_PING_URL"] = f"{jobs.pings}/ping"
        assert other.run("true").returncode == 0
        wrapper.environment["SPECTER_PING_URL"] = f"{jobs.pings}/ping"
        assert wrapper.run("true").returncode == 0
        scrape = jobs.scrape()
    runs = {
        outcome: scrape["specter_job_runs_total", ("backup", outcome)]
        for outcome in ("success", "failed", "lost")
    }
    assert runs == {"success": 3, "failed": 0, "lost": 0}
    assert scrape["specter_job_running", ("backup",)] == 0
    assert scrape["specter_job_pings_total", ("repeated",)] >= 1
    assert wrapper.waiting() == []
