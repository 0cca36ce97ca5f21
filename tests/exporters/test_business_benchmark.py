"""The benchmark of the endpoint for business events runs, and says what it is to say."""

import json

import pytest

from benchmarks.apps.business import report_business


@pytest.mark.integration
def test_the_benchmark_reports_requests_events_and_latency(capsys: pytest.CaptureFixture[str]) -> None:
    report_business(seconds=0.5)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    results = {line["name"]: line["value"] for line in lines}
    # Far below the goals: machines that test do other things as well.
    assert results["business_requests_per_s"] > 150
    assert results["business_events_per_s"] > 5 * results["business_requests_per_s"]
    assert 0 < results["business_p50_ms"] <= results["business_p99_ms"]
