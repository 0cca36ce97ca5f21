"""`python -m benchmarks data` on a real server with a few tables, and on a thousand jobs."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import data


@pytest.mark.integration
def test_scrapes_of_a_server_are_timed_and_one_beside_a_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "TABLES", 20)
    monkeypatch.setenv("PATH", f"{Path(shutil.which('true') or '').parent}")
    done = CliRunner().invoke(
        data.suite,
        ["--runs", "2", "--jobs", "1000", "--checks", "20", "--seconds", "0.2"],
        catch_exceptions=False,
    )
    results = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert list(results) == [
        *("postgres_scrape_ms", "postgres_rss_mb", "postgres_locked_scrape_ms"),
        *("sql_run_cpu_ms", "sql_rss_mb", "sql_20_checks_scrape_ms"),
        *("queue_scrape_ms", "queue_exporter_rss_mb"),
        *(
            "job_pings_per_s",
            "job_ping_cpu_us",
            "job_ping_p99_ms",
            "job_ping_p50_ms",
            "job_pings_offered_per_s",
        ),
        *("jobs_1k_scrape_ms", "jobs_1k_scrape_all_changed_ms", "job_load_average"),
        *("job_run_overhead_ms", "job_run_cpu_ms"),
    ]
    assert all(line["value"] > 0 for line in results.values())
    assert "baseline" not in results["postgres_scrape_ms"]
