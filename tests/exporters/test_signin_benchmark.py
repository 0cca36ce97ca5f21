"""Memory is fixed under any number of addresses; the benchmark measures it, and finds who fails often."""

import json
import random
import tracemalloc
from socket import inet_ntoa

import pytest

from benchmarks.apps.signin import report_calls, report_heavy_hitters
from specter_exporters.signin import Settings, SignIns
from tests.exporters.signin_driving import driven


def test_memory_does_not_grow_with_the_number_of_addresses_and_accounts() -> None:
    signins, clock = driven(Settings(keep=256))
    rng = random.Random(1)

    def peak(count: int) -> int:
        tracemalloc.reset_peak()
        for _ in range(count // 1000):
            for number in range(1000):
                source, name = inet_ntoa(rng.getrandbits(32).to_bytes(4, "big")), f"{rng.getrandbits(60)}"
                signins.attempt(source, name, "failed" if number % 3 else "success", user_agent=name)
                signins.request(source, name)
            clock.sleep(25)
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        # Peaks: summaries fill and are purged all the time. The window slides in the first part already.
        first = peak(30_000)
        assert first < 16e6
        assert peak(60_000) < 1.2 * first
    finally:
        tracemalloc.stop()


def test_the_benchmark_reports_memory_speed_and_who_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    report_heavy_hitters(300_000)
    report_calls(20_000)
    results = {line["name"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert results["heavy_hitters_mb"]["value"] <= 16
    assert results["heavy_hitters_found"]["value"] == 8
    assert results["heavy_hitters_largest_error"]["value"] < 0.1
    assert results["heavy_hitters_updates_per_s"]["value"] > 150_000  # leaves room for a busy machine
    alone = results["heavy_hitters_summary_alone_per_s"]
    assert alone["baseline_name"] == "datasketches frequent_strings_sketch"
    assert alone["ratio"] > 0.5
    assert {"signin_failure_us", "signin_success_us", "signin_request_us"} <= results.keys()


def test_a_recorder_that_nobody_uses_takes_hardly_anything() -> None:
    tracemalloc.start()
    try:
        signins = SignIns()
        assert tracemalloc.get_traced_memory()[0] < 1e6
        assert signins.breaches(1) == []
    finally:
        tracemalloc.stop()
