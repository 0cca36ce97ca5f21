"""The benchmark command, and the instrumentation's cost and size against its peer."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    """Run `python -m benchmarks` and return what it printed."""
    command = [sys.executable, "-m", "benchmarks", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_help_lists_suites_with_their_summaries() -> None:
    text = " ".join(run("--help").split())
    assert "app Exporters of applications: what a request" in text
    assert "all Run every suite that needs no data folder" in text


def test_instrumentation_costs_less_than_its_peer_and_stays_small() -> None:
    lines = [
        json.loads(line)
        for line in run("app", "--part", "requests", "--rounds", "10", "--requests", "300").splitlines()
    ]
    results = {line["name"]: line for line in lines}
    assert {"flask_overhead_us", "asgi_overhead_us", "exposition_20k_urls_kb"} <= results.keys()
    flask = results["flask_overhead_us"]
    assert flask["unit"] == "us"
    assert flask["baseline_name"] == "prometheus_flask_exporter"
    assert flask["ratio"] < 0.6
    size = results["exposition_20k_urls_kb"]
    assert 120 < size["value"] < 200  # 40 routes of 26 lines each
    assert size["baseline"] > 30_000
